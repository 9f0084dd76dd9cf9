"""Reading the game's texts, and spelling them as ordinary text."""

import pytest
from steel_sky_game import make_tree, pack_texts

from synthst.corpora.steel_sky_spelling import Spelling, clean_text
from synthst.corpora.steel_sky_text import decode_glyphs, find_tree, has_marks, read_texts
from synthst.errors import DataError

TREE = make_tree()
PROGRAM = bytes(value for node in TREE for value in node)


def test_read_texts_reads_bits_written_by_hand() -> None:
    # "e " is 001 000 01 and "e" is 001 01 and a bit to fill the unit: 00100001 001010, lengths 4 and 3
    file = bytes([4, 0, 6, 0, 4, 3, 0b00100001, 0b00101000])
    assert read_texts(file, TREE) == [b"e ", b"e"]


def test_read_texts_inverts_an_encoder() -> None:
    texts = [f"Text {number}: {'long ' * (number // 2)}`end'!" for number in range(70)] + ["", "#)(*}~\x7f"]
    assert read_texts(pack_texts(texts), TREE) == [text.encode("latin-1") for text in texts]


def test_read_texts_refuses_lengths_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="text 0 takes 8 bits, the file's table says 6"):
        read_texts(bytes([4, 0, 6, 0, 3, 3, 0b00100001, 0b00101000]), TREE)
    with pytest.raises(DataError, match="text 1 is cut off"):
        read_texts(bytes([4, 0, 6, 0, 4, 3, 0b00100001]), TREE)


def test_find_tree_takes_the_first_that_fits_the_texts() -> None:
    decoy = PROGRAM[:12] + bytes(1000)
    assert find_tree(b"\x7fELF" + decoy + PROGRAM, pack_texts(["Hello.", "e"])) == TREE


@pytest.mark.parametrize("program", [b"", b"no tree here", PROGRAM[:12], PROGRAM[:200]])
def test_find_tree_refuses_a_program_without_one(program: bytes) -> None:
    with pytest.raises(DataError, match="holds no table that the texts can be read by"):
        find_tree(program, pack_texts(["Hello.", "Good-bye!"]))


@pytest.mark.parametrize(
    ("glyphs", "language", "text"),
    [
        (b"Gr#(e an Joey, ~rger, \x7fl", "de", "Grüße an Joey, Ärger, Öl"),
        (b"D+j\x91 vu, gar/on, b]te, b=te, ^A, o\x92 s>r, h@te, p_t, {", "fr")
        + ("Déjà vu, garçon, bète, bête, ÇA, où sûr, hôte, pît, ï",),
        (
            b"\x8b\x8aAd\x88nde est< el ni\x8do, seg\\n la se\x8cora?!",
            "es",
            "¡¿Adónde está el niño, según la seÑora?!",
        ),
        (b"Cos] \x91 cos\x8e, per\x8f pi\x92 perch+", "it", "Cosè à così, però più perché"),
        (b"Hello #", "en", "Hello #"),
    ],
)
def test_decode_glyphs_knows_the_letters_of_a_language(glyphs: bytes, language: str, text: str) -> None:
    assert decode_glyphs(glyphs, language) == text


def test_has_marks_finds_what_is_not_spoken() -> None:
    assert has_marks("It wouldn't be the SAME...   ###", "en")
    assert has_marks("What about it?\t\tunused", "fr")
    assert not has_marks("`Grüß' 30, Öl - nein?!", "de")
    assert has_marks("Grüß", "en")


@pytest.mark.parametrize(
    ("text", "language", "clean"),
    [
        ("Who is `Overmann'?", "en", 'Who is "Overmann"?'),
        ("`FIRE EXIT - don't obstruct.'", "en", '"FIRE EXIT - don\'t obstruct."'),
        ("I've got hundreds of `Reichs' on it!", "en", 'I\'ve got hundreds of "Reichs" on it!'),
        ("`T#rlich", "de", "'T#rlich"),
        ("Un tal `OVERMANN`?", "es", 'Un tal "OVERMANN"?'),
        (" Is it  a FAKE ? ", "en", "Is it a FAKE?"),
        ("Wa.... was..", "de", "Wa... was..."),
        ("... per te", "it", "...per te"),
        (
            "SICHERHEITS- VORRICHTUNG, Katzen- und Biberfell",
            "de",
            "SICHERHEITS-VORRICHTUNG, Katzen- und Biberfell",
        ),
        ("Wait- what", "en", "Wait- what"),
    ],
)
def test_clean_text_mends_quotes_blanks_dots_and_hyphens(text: str, language: str, clean: str) -> None:
    assert clean_text(text, language) == clean


ENGLISH = ("Ask Joey, or Mr Reich.", "The city of Reich is a city.", "I'm sure it's in the City, isn't it?")
GERMAN = ("Wer ist der Mann, Joey?", "Ich frage Sie, ob Sie kommen.", "Er fragt sie.")
GERMAN_WORDS = ("Roboter", "Werkzeug", "Vorrichtung", "Fuß", "Schlange", "muß", "schweißen", "öffnen", "rot")
FRENCH = ("On est à l'usine, où la porte est fermée.", "Il va à la porte, elle est à lui.")
SPANISH = ("Si pudiera me gustaría ir a la estación.", "Me dio una canción.")
ITALIAN = ("Non c'è nessuno, perché è tardi.",)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("You nicked me KNACKWURST!", "You nicked me knackwurst!"),
        (
            "THAT'S more like a TOOTHPICK! SIZE isn't EVERYTHING...",
            "That's more like a toothpick! Size isn't everything...",
        ),
        ("...TASTY! Hm... NICE.", "...tasty! Hm... nice."),
        (
            "I'M NOT! D-LINCS with an ID use WD40 in LINC'S HQ.",
            "I'm not! D-LINCs with an ID use WD40 in LINC's HQ.",
        ),
        ("Tell JOEY and REICH in the CITY", "Tell Joey and Reich in the city"),
        ('"DANGEROUS BIKES MONTHLY"', '"Dangerous bikes monthly"'),
        ("A B and I saw an X-RAY.", "A B and I saw an X-ray."),
        ("From KANSAS, 'OBBINS? T. E. LAWRENCE!", "From Kansas, 'Obbins? T. E. Lawrence!"),
    ],
)
def test_english_emphasis_becomes_lower_case_but_names_do_not(text: str, spelled: str) -> None:
    assert Spelling("en", ENGLISH).lower_emphasis(text) == spelled


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Der MANN ist ROT.", "Der Mann ist rot."),  # in the texts; in the list
        ("Ich MUSS den FUSS SCHWEISSEN.", "Ich muß den Fuß schweißen."),
        ("Ein SPEZIALWERKZEUG!", "Ein Spezialwerkzeug!"),  # a noun by its ending
        ("Die SICHERHEITS-VORRICHTUNG geht.", "Die Sicherheits-Vorrichtung geht."),
        ("Das ist ein XYQ.", "Das ist ein xyq."),
        ("Kommen SIE, wenn der ROBOTER kommt?", "Kommen Sie, wenn der Roboter kommt?"),
        ("ÖFFNEN!", "Öffnen!"),
    ],
)
def test_german_nouns_keep_their_capital_and_sharp_s(text: str, spelled: str) -> None:
    assert Spelling("de", GERMAN, GERMAN_WORDS).lower_emphasis(text) == spelled


@pytest.mark.parametrize(
    ("language", "text", "spelled"),
    [
        ("fr", "C'est L'USINE!", "C'est l'usine!"),
        ("fr", "L'USINE est FERMEE", "L'usine est fermée"),
        ("fr", "Une BOITE A OUTILS et du CAFE", "Une boîte à outils et du café"),
        ("es", "La ESTACION y la CANCION", "La estación y la canción"),
        ("es", "Me MORIRIA: TRAICION y MANZANAS", "Me moriría: traición y manzanas"),  # by their endings
        ("it", "E' la SOCIETA' di un PO' di MUTANTI'", "È la società di un po' di mutanti'"),
        ("it", "PERCHE' MORIRO'?", "Perché morirò?"),
    ],
)
def test_accents_that_capitals_lack_come_back(language: str, text: str, spelled: str) -> None:
    texts = {"fr": FRENCH, "es": SPANISH, "it": ITALIAN}[language]
    words = {"fr": ["boîte", "café"], "es": ["manzana", "gustar"], "it": ["società", "mutanti", "morirò"]}[
        language
    ]
    assert Spelling(language, texts, words).lower_emphasis(text) == spelled


def test_the_word_list_decides_between_spellings_as_frequent() -> None:
    assert Spelling("it", ["Chi mi terrà?"], ["terra"]).lower_emphasis("la TERRA") == "la terra"
    assert Spelling("it", ["Chi mi terrà e terrà?"], ["terra"]).lower_emphasis("la TERRA") == "la terrà"
