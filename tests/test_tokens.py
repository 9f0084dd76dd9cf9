"""Tokens must give the text back, agree with the model's token list, and never be read half."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from toy_task import VOCABULARY, make_sentences, write_pairs

from synthst.datadir import read_info
from synthst.errors import ConfigError, DataError
from synthst.multilingual import combine_pairs
from synthst.pieces import train_sentencepiece
from synthst.tables import join_tables, read_table
from synthst.tokens import (
    Tokenizer,
    read_tokens,
    token_dtype,
    train_tokenizers,
    write_tokens,
)

ODD = [
    "Zeile\u2028Zeile",
    "a\u0085b",
    "😀 👩‍👩‍👧",
    "a  b   c",
    "<unk> </s> <0x41>",
    "e\u0301",
    "日本語 שלום",
    "'\"\\",
]
SENTENCES = make_sentences(100) + ODD


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs = [(sentence, sentence[::-1]) for sentence in SENTENCES]
    return write_pairs(tmp_path_factory.mktemp("tokens") / "data", pairs)


@pytest.fixture(scope="module")
def tokenizers(data: Path) -> Path:
    out = data.parent / "tokenizers"
    train_tokenizers(data, out, langs=["en", "de"], vocabulary_size=340)
    return out


@pytest.fixture(scope="module")
def tokens(data: Path, tokenizers: Path) -> Path:
    out = data.parent / "tokens"
    write_tokens(data, out, langs=["en", "de"], tokenizers=tokenizers)
    return out


@pytest.fixture(scope="module")
def tokenizer(tokenizers: Path) -> Tokenizer:
    return Tokenizer(tokenizers / "en.model")


def is_legal(text: str) -> bool:
    """Tell whether a table may hold it; U+2581 is SentencePiece's sign for a blank."""
    controls = any(c < " " or c == "\x7f" for c in text)
    return bool(text) and text == text.strip() and not controls and "\u2581" not in text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(is_legal))
def test_decoding_an_encoded_sentence_gives_it_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(1 < token < tokenizer.vocabulary_size - 1 for token in ids)


@pytest.mark.parametrize("text", [*ODD, "unseen: Жžß", "\ufeff\u200b\ufffd", "x" * 5000])
def test_odd_and_unseen_characters_come_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_sentencepieces_own_sign_comes_back_as_a_blank(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\u2581b")) == "a b"
    assert tokenizer.encode("\u2581")


@given(st.lists(st.integers(0, 341)))
def test_whatever_a_model_says_is_decoded_to_a_legal_line(tokenizer: Tokenizer, ids: list[int]) -> None:
    text = tokenizer.decode(ids)
    assert text == text.strip()
    assert not any(c < " " or c == "\x7f" for c in text)


def test_ids_are_places_in_the_token_list(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.token_list()
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert len(tokens) == tokenizer.vocabulary_size == 342
    assert len(set(tokens)) == 342
    for text in SENTENCES:
        pieces = tokenizer.processor.EncodeAsPieces(text)
        assert [tokens[token] for token in tokenizer.encode(text)] == pieces


def test_models_with_begin_and_end_of_sentence_have_espnets_ids_too(tmp_path: Path) -> None:
    """ESPnet's recipes leave SentencePiece its defaults: <unk>, <s>, </s> come first and are no tokens."""
    path = tmp_path / "en.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter(make_sentences(100)), model_writer=file, vocab_size=30, minloglevel=2
        )
    tokenizer = Tokenizer(path)
    pieces = [tokenizer.processor.IdToPiece(piece) for piece in range(30)]
    assert pieces[:3] == ["<unk>", "<s>", "</s>"]
    assert tokenizer.token_list() == ["<blank>", "<unk>", *pieces[3:], "<sos/eos>"]
    assert tokenizer.vocabulary_size == 30
    text = "the red cat sleeps"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("Ж")[-1] == 1
    data = write_pairs(tmp_path / "data", [(text, text), ("Ж", "Ж")])
    write_tokens(data, tmp_path / "tokens", langs=["en"], tokenizers=tmp_path)
    array = read_tokens(tmp_path / "tokens", "en")
    assert [row.tolist() for row in (array[0], array[1])] == [tokenizer.encode(text), tokenizer.encode("Ж")]


def test_a_shared_model_is_one_for_all_languages_and_separate_ones_differ(data: Path, tmp_path: Path) -> None:
    for shared in (True, False):
        out = tmp_path / str(shared)
        train_tokenizers(data, out, langs=["en", "de"], vocabulary_size=340, shared=shared)
        english, german = (Tokenizer(out / f"{lang}.model").checksum for lang in ("en", "de"))
        assert (english == german) == shared


def test_training_again_gives_the_same_model() -> None:
    texts = make_sentences(300)
    first, second = (
        train_sentencepiece(iter(texts), VOCABULARY, "bpe", 150, 0.9999, source=Path("data"))
        for _ in range(2)
    )
    assert first == second


def test_tokenizers_of_other_settings_are_refused_and_the_same_are_kept(data: Path, tokenizers: Path) -> None:
    made = (tokenizers / "en.model").stat().st_mtime_ns
    train_tokenizers(data, tokenizers, langs=["en", "de"], vocabulary_size=340)
    assert (tokenizers / "en.model").stat().st_mtime_ns == made
    with pytest.raises(DataError, match="vocabulary_size"):
        train_tokenizers(data, tokenizers, langs=["en", "de"], vocabulary_size=330)


def test_too_little_text_for_the_vocabulary_is_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot make 30,000 pieces.*lower --vocabulary_size or add text"):
        train_tokenizers(data, tmp_path / "out", langs=["en"], vocabulary_size=30_000)
    assert not (tmp_path / "out").exists()


def count_pieces(folder: Path, characters: list[str]) -> int:
    tokenizer = Tokenizer(folder / "en.model")
    return sum(tokenizer.has_piece(character) for character in characters)


@pytest.mark.parametrize(("coverage", "pieces"), [({}, 0), ({"character_coverage": 1.0}, 20)])
def test_stray_characters_of_much_text_take_no_pieces_but_come_back(
    tmp_path: Path, coverage: dict[str, float], pieces: int
) -> None:
    stray = [chr(ord("一") + place) for place in range(20)]
    texts = [*make_sentences(1000) * 12, *stray]
    assert 200_000 < sum(map(len, texts)) < 400_000  # of which 20 to 40 are a ten thousandth
    data = write_pairs(tmp_path / "data", [(text, text) for text in texts])
    train_tokenizers(data, tmp_path / "out", langs=["en"], vocabulary_size=310, **coverage)
    assert count_pieces(tmp_path / "out", stray) == pieces
    tokenizer = Tokenizer(tmp_path / "out/en.model")
    assert tokenizer.vocabulary_size == 312
    assert all(tokenizer.decode(tokenizer.encode(text)) == text for text in [*stray, *texts[:100]])
    made_by = read_info(tmp_path / "out")["made_by"]
    assert isinstance(made_by, dict)
    assert made_by["character_coverage"] == coverage.get("character_coverage", 0.9999)


def test_too_many_characters_for_the_vocabulary_are_told_with_their_remedy(tmp_path: Path) -> None:
    stray = [(chr(ord("一") + place),) * 2 for place in range(100)]
    data = write_pairs(tmp_path / "data", [*((text, text) for text in make_sentences(100)), *stray])
    with pytest.raises(DataError, match="raise --vocabulary_size, or lower --character_coverage 0.9999"):
        train_tokenizers(data, tmp_path / "out", langs=["en"], vocabulary_size=340)
    train_tokenizers(data, tmp_path / "out", langs=["en"], vocabulary_size=340, character_coverage=0.98)
    assert Tokenizer(tmp_path / "out/en.model").vocabulary_size == 342


@pytest.mark.parametrize("coverage", [0.0, 0.97, 1.01])
def test_a_coverage_that_is_none_is_refused(data: Path, tmp_path: Path, coverage: float) -> None:
    with pytest.raises(ConfigError, match="character_coverage .* give 0.98 to 1"):
        train_tokenizers(data, tmp_path / "out", langs=["en"], character_coverage=coverage)


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "en.model").write_bytes(content)
    with pytest.raises(DataError, match="en.model: no SentencePiece model"):
        Tokenizer(tmp_path / "en.model")


@pytest.mark.parametrize("lang", ["en", "de"])
def test_rows_are_the_encoded_sentences_in_the_order_of_ids(
    tokens: Path, tokenizers: Path, lang: str
) -> None:
    tokenizer, array = Tokenizer(tokenizers / f"{lang}.model"), read_tokens(tokens, lang)
    wanted = [tokenizer.encode(text if lang == "en" else text[::-1]) for text in SENTENCES]
    assert [array[row].tolist() for row in range(len(array))] == wanted
    assert array.lengths().tolist() == [len(row) for row in wanted]
    ids = (tokens / "ids.txt").read_bytes().decode().split("\n")
    assert ids == [*(f"u{number:06d}" for number in range(len(SENTENCES))), ""]


def test_rows_tokenised_in_several_batches_are_the_same(
    data: Path, tokenizers: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.tokens.ENCODE_ROWS", 7)
    out = data.parent / "tokens_in_sevens"
    write_tokens(data, out, langs=["en", "de"], tokenizers=tokenizers)
    for name in ("ids.txt", "en.tokens", "en.offsets", "de.tokens", "de.offsets"):
        assert (out / name).read_bytes() == (tokens / name).read_bytes()


def test_arrays_are_mapped_not_read(tokens: Path) -> None:
    array = read_tokens(tokens, "en")
    assert isinstance(array.ids, np.memmap) and isinstance(array.offsets, np.memmap)
    assert array.ids.dtype == np.uint16
    assert not array.ids.flags.writeable


@pytest.mark.parametrize(("size", "dtype"), [(32_002, np.uint16), (65_536, np.uint16), (65_537, np.uint32)])
def test_ids_take_two_bytes_as_long_as_they_fit(size: int, dtype: type) -> None:
    assert token_dtype(size) == dtype
    assert np.array([size - 1], token_dtype(size))[0] == size - 1


@pytest.mark.parametrize(("name", "cut"), itertools.product(["en.tokens", "en.offsets"], [1, 8, 10**9]))
def test_a_file_that_is_cut_off_is_named(
    data: Path, tokenizers: Path, tmp_path: Path, name: str, cut: int
) -> None:
    write_tokens(data, tmp_path / "tokens", langs=["en", "de"], tokenizers=tokenizers)
    path = tmp_path / "tokens" / name
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=f"{name} has .* bytes, .* run stage 6 again"):
        read_tokens(tmp_path / "tokens", "en")
    assert len(read_tokens(tmp_path / "tokens", "de")) == len(SENTENCES)


def test_a_language_or_directory_that_is_not_there_is_named(tokens: Path, tmp_path: Path) -> None:
    for folder, lang in ((tokens, "fr"), (tmp_path, "en")):
        with pytest.raises(DataError, match=f"{folder}: no token arrays of '{lang}'"):
            read_tokens(folder, lang)


def test_tokens_are_kept_and_those_of_another_tokeniser_or_data_refused(
    data: Path, tokenizers: Path, tokens: Path, tmp_path: Path
) -> None:
    made = read_info(tokens)
    write_tokens(data, tokens, langs=["en", "de"], tokenizers=tokenizers)
    assert read_info(tokens) == made
    train_tokenizers(data, tmp_path / "other", langs=["en", "de"], vocabulary_size=330)
    with pytest.raises(DataError, match="tokenizers"):
        write_tokens(data, tokens, langs=["en", "de"], tokenizers=tmp_path / "other")
    other = write_pairs(tmp_path / "data", [("a", "b")])
    with pytest.raises(DataError, match="data"):
        write_tokens(other, tokens, langs=["en", "de"], tokenizers=tokenizers)


def test_counts_and_vocabulary_are_told(tokens: Path) -> None:
    info = read_info(tokens)
    english = read_tokens(tokens, "en")
    counts = info["counts"]
    assert isinstance(counts, dict)
    assert counts["rows"] == len(SENTENCES) and counts["tokens.en"] == len(english.ids)
    assert info["vocabulary"] == {"en": 342, "de": 342}


@pytest.fixture(scope="module")
def multilingual(data: Path) -> Path:
    """The pairs above as en-de, and the first of them as en-es again."""
    folder = data.parent
    write_pairs(folder / "few", [(sentence, sentence[::-1]) for sentence in SENTENCES[:3]])
    (folder / "few/text.de").rename(folder / "few/text.es")
    pairs = {"en-de": data, "en-es": folder / "few"}
    combine_pairs(pairs, folder / "pairs", src="en", tgt="mul")
    return folder / "pairs"


def test_tokens_of_several_pairs_begin_with_the_tag_of_the_target(multilingual: Path) -> None:
    folder, langs = multilingual.parent, ["en", "mul"]
    train_tokenizers(multilingual, folder / "tagged", langs=langs, vocabulary_size=340, tags=["de", "es"])
    write_tokens(multilingual, folder / "tagged_tokens", langs=langs, tokenizers=folder / "tagged")
    tokenizer = Tokenizer(folder / "tagged/en.model")
    assert tokenizer.token_list()[:4] == ["<blank>", "<unk>", "<2de>", "<2es>"]
    sources, targets = (read_tokens(folder / "tagged_tokens", lang) for lang in langs)
    texts = [values for _, values in join_tables([multilingual / f"text.{lang}" for lang in langs])]
    pairs = [pair for _, pair in read_table(multilingual / "utt2pair")]
    assert pairs == ["en-de"] * len(SENTENCES) + ["en-es"] * 3
    blank = tokenizer.token_list().index("▁")
    for row, ((source, target), pair) in enumerate(zip(texts, pairs, strict=True)):
        tag = 2 if pair == "en-de" else 3
        assert sources[row].tolist() == [blank, tag, *tokenizer.encode(source)]
        assert targets[row].tolist() == tokenizer.encode(target)


def test_tokens_refuse_a_tag_that_the_tokeniser_would_take_apart(multilingual: Path) -> None:
    folder = multilingual.parent
    train_tokenizers(multilingual, folder / "lacking", langs=["en", "mul"], vocabulary_size=340, tags=["de"])
    with pytest.raises(DataError, match=r"en.model has no piece <2es>, which .*/utt2pair asks for; train"):
        write_tokens(multilingual, folder / "no", langs=["en", "mul"], tokenizers=folder / "lacking")
    assert not (folder / "no").exists()
