"""Where the splitter puts a boundary and, more important, where it does not."""

import pytest

from synthst.corpora.sentences import split_sentences

# "|" stands where a boundary is expected, in place of the space.
TABLE = [
    ("en", "Open the file.|Click it.|Done!|Really?|Yes"),
    ("en", "One sentence only, version 7.4 of LibreOffice"),
    ("en", "Use a browser, e.g. Firefox, vs. Writer."),
    ("en", "It returns 3.|The second call returns 5."),
    ("en", "1. Click the icon. 2. Choose Save.|Then wait."),
    ("en", "Choose File - Save As... Then wait."),
    ("en", "Choose Save… OK is next."),
    ("en", 'It says "Stop."|"Go" is next (see below.)|The end.'),
    ("en", "Written by J. Smith.|He said so."),
    ("en", "no capital. follows here"),
    ("de", "Öffnen Sie die Datei.|Überprüfen Sie sie."),
    ("de", "Die Datei z. B. Brief.odt, d. h. Text, bzw. Bild."),
    ("de", "Am 5. Mai und in Nr. Acht."),
    ("de", "Das war 2012.|Danach kam nichts."),
    ("de", "Klicken Sie auf „Ja.“|„Nein“ bleibt."),
    ("fr", "Voulez-vous ?|À bientôt !|Cliquez, par ex. Fichier."),
    ("fr", "« Fin. »|« Début » suit."),
    ("es", "Pulse aquí.|¿Quiere seguir?|¡Sí!"),
    ("es", "Véase la pág. Uno, p. ej. Archivo."),
    ("ru", "Откройте файл.|Ёлка растёт.|«Да» или нет."),
    ("ru", "Один и т. д. Два, т. е. Три, см. Рис. Пять."),
]


@pytest.mark.parametrize(("language", "marked"), TABLE)
def test_split_sentences(language: str, marked: str) -> None:
    expected = marked.split("|")
    found = split_sentences(marked.replace("|", " "), language)
    assert found == expected
    assert " ".join(found) == marked.replace("|", " ")


def test_split_sentences_of_nothing_is_nothing() -> None:
    assert split_sentences("", "en") == [""]
