"""The CTranslate2 teacher: what CTranslate2 gives for each sentence alone, whatever the batch."""

import functools
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
from tiny_hf import SOURCES, TinyModels
from transformers import AutoTokenizer

from synthst.errors import ConfigError, DataError
from synthst.teacher.ct2 import Ct2Options, Ct2Teacher
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings

MANY = [
    *SOURCES,
    *(source.upper() for source in SOURCES),
    *(" ".join(pair) for pair in zip(SOURCES, SOURCES[1:], strict=False)),
]
PREFIXES = {"marian": [], "nllb": ["deu_Latn"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


def teach(directory: Path, settings: SearchSettings | None = None, **options: Any) -> Ct2Teacher:
    """Load a teacher for English to German in float32."""
    chosen = Ct2Options(**{"compute_type": "float32", **options})
    return Ct2Teacher(directory, settings or SearchSettings(), src="en", tgt="de", options=chosen)


def assert_same(ours: Sequence[Sequence[Hypothesis]], wanted: Sequence[Sequence[Hypothesis]]) -> None:
    for mine, theirs in zip(ours, wanted, strict=True):
        assert [hyp._replace(score=0) for hyp in mine] == [hyp._replace(score=0) for hyp in theirs]
        assert [hyp.score for hyp in mine] == pytest.approx([hyp.score for hyp in theirs], abs=1e-4)


@functools.cache
def load(directory: Path) -> tuple[Any, Any]:
    """Load with the libraries alone."""
    translator = ctranslate2.Translator(str(directory), compute_type="float32", intra_threads=1)
    return translator, AutoTokenizer.from_pretrained(directory)


def translate_alone(
    directory: Path, prefix: list[str], source: str, settings: SearchSettings
) -> list[Hypothesis]:
    """Do with CTranslate2 and transformers directly what the teacher promises, for one sentence."""
    translator, tokenizer = load(directory)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(source).input_ids)
    limit = int(settings.max_ratio * len(tokens)) + settings.max_extra
    [found] = translator.translate_batch(
        [tokens],
        [prefix] if prefix else None,
        beam_size=settings.beam,
        num_hypotheses=settings.beam,
        max_decoding_length=limit + len(prefix),
        min_decoding_length=settings.min_length + len(prefix),
        return_end_token=True,
        return_scores=True,
        max_batch_size=1,
    )
    hypotheses = []
    for written, score in zip(found.hypotheses, found.scores, strict=True):
        assert written[: len(prefix)] == prefix
        words = [token for token in written[len(prefix) :] if token != "</s>"]
        text = tokenizer.decode(tokenizer.convert_tokens_to_ids(words), skip_special_tokens=True)
        finished = written[-1] == "</s>"
        hypotheses.append(Hypothesis(text, score * len(written) / (len(words) + 1), len(words), finished))
    return sorted(hypotheses, key=lambda hyp: -hyp.score)[: settings.nbest]


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("name", PREFIXES)
def test_a_sentence_gets_what_ctranslate2_gives_it_alone_at_its_own_limit(
    models: TinyModels, name: str, beam: int
) -> None:
    settings = SearchSettings(beam=beam, nbest=min(beam, 2), max_ratio=0.8, max_extra=2)
    directory = models.converted(name)
    wanted = [translate_alone(directory, PREFIXES[name], source, settings) for source in MANY]
    assert {hyp.finished for hypotheses in wanted for hyp in hypotheses} == {True, False}
    assert_same(teach(directory, settings).translate(MANY), wanted)


@pytest.mark.parametrize("normalisation", ["none", "mean"])
def test_neighbours_and_batches_change_nothing(models: TinyModels, normalisation: str) -> None:
    settings = SearchSettings(nbest=2, length_normalisation=normalisation, max_ratio=1.0, max_extra=3)
    directory = models.converted("marian")
    together = teach(directory, settings).translate(MANY)
    assert_same(teach(directory, settings, batch_tokens=20, workers=1).translate(MANY[::-1]), together[::-1])
    one = teach(directory, settings)
    assert_same([one.translate([source])[0] for source in MANY], together)


def test_lists_are_as_long_as_asked_for_and_best_first(models: TinyModels) -> None:
    for hypotheses in teach(models.converted("marian"), SearchSettings(nbest=4)).translate(SOURCES):
        scores = [hyp.score for hyp in hypotheses]
        assert len(scores) == 4
        assert scores == sorted(scores, reverse=True)


def test_a_mean_score_is_the_sum_over_the_tokens_and_the_end(models: TinyModels) -> None:
    sums, means = (
        teach(
            models.converted("nllb"), SearchSettings(beam=1, length_normalisation=name, max_extra=2)
        ).translate(SOURCES)
        for name in ("none", "mean")
    )
    for [one], [other] in zip(sums, means, strict=True):
        assert one.text == other.text
        assert other.score == pytest.approx(one.score / (one.tokens + 1), rel=1e-5)


@pytest.mark.parametrize("name", PREFIXES)
def test_shortest_and_longest_translations_are_as_asked_for(models: TinyModels, name: str) -> None:
    settings = SearchSettings(nbest=4, min_length=4, max_ratio=0, max_extra=6)
    found = [hyp for nbest in teach(models.converted(name), settings).translate(MANY) for hyp in nbest]
    assert {hyp.tokens for hyp in found} <= {4, 5, 6}
    assert all(hyp.finished == (hyp.tokens < 6) for hyp in found)


def test_a_source_that_is_too_long_is_cut_and_its_translation_counts_as_cut_off(models: TinyModels) -> None:
    teacher = teach(models.converted("marian"), SearchSettings(max_extra=2))
    long = "Save the file. " * 350
    [[first], [cut], [last]] = teacher.translate([SOURCES[0], long, SOURCES[1]])
    assert cut.text and not cut.finished
    assert cut.tokens <= 96
    assert_same([[first], [last]], teach(models.converted("marian"), teacher.settings).translate(SOURCES[:2]))


def test_max_source_tokens_cuts_before_what_ends_the_source(models: TinyModels) -> None:
    teacher = teach(models.converted("marian"), max_source_tokens=8)
    tokens = AutoTokenizer.from_pretrained(models["marian"]).tokenize(SOURCES[3])
    kept = "".join(tokens[:7]).replace("▁", " ").strip()
    [[cut], [short]] = teacher.translate([SOURCES[3], kept])
    assert (cut.text, cut.finished) == (short.text, False)


def test_blank_and_strange_sources_get_an_answer(models: TinyModels) -> None:
    strange = ["", " \t", "😀😀😀", "a\u2028b", "</s>"]
    found = teach(models.converted("marian")).translate(strange)
    assert found[:2] == [[Hypothesis("", 0.0, 0, True)]] * 2
    assert all(len(hypotheses) == 1 for hypotheses in found)
    assert not any(character in hyp.text for [hyp] in found for character in "\r\n")


def test_a_directory_with_sentencepiece_files_needs_no_transformers(
    models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, files in (
        ("marian", ["source.spm", "target.spm"]),
        ("m2m", ["sentencepiece.bpe.model"]),
    ):
        wanted = teach(models.converted(name)).translate(SOURCES)
        bare = tmp_path / name
        bare.mkdir()
        for file in ("model.bin", "config.json", "shared_vocabulary.json", *files):
            shutil.copy(models.converted(name) / file, bare)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "transformers", None)
            assert_same(teach(bare).translate(SOURCES), wanted)


def test_the_identity_is_of_content_and_of_what_changes_translations(
    models: TinyModels, tmp_path: Path
) -> None:
    directory = models.converted("nllb")
    identity = teach(directory).identity
    copy = Path(shutil.copytree(directory, tmp_path / "elsewhere" / directory.name))
    assert teach(copy, threads=2, workers=1, batch_tokens=9).identity == identity
    assert str(directory.parent) not in str(identity)
    assert teach(directory, compute_type="default").identity["compute_type"] == "int8"
    french = Ct2Teacher(directory, SearchSettings(), src="en", tgt="fr", options=Ct2Options())
    assert french.identity["target_prefix"] == ["fra_Latn"]
    (copy / "model.bin").write_bytes((copy / "model.bin").read_bytes() + b"\0")
    changed = teach(copy).identity
    assert [key for key in identity if changed[key] != identity[key]] == ["weights_sha256"]


def test_the_teacher_is_loaded_by_its_kind(models: TinyModels) -> None:
    teacher = load_teacher(
        f"ct2:{models.converted('nllb')}", SearchSettings(), src="en", tgt="de", options={"workers": 1}
    )
    assert isinstance(teacher, Ct2Teacher)
    assert teacher.identity["src_tag"] == "eng_Latn"


@pytest.mark.parametrize(
    ("settings", "told"),
    [(SearchSettings(top_k=5), "top_k 5.*espnet:DIR"), (SearchSettings(dtype="bfloat16"), "compute_type")],
)
def test_settings_that_it_cannot_honour_are_refused(
    models: TinyModels, settings: SearchSettings, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        teach(models.converted("marian"), settings)


@pytest.mark.parametrize("options", [{"workers": -1}, {"max_source_tokens": 1}, {"patience": 0.5}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Ct2Options(**options)


def test_an_unknown_language_is_refused_with_the_directory(models: TinyModels) -> None:
    with pytest.raises(ConfigError, match=r"nllb-ct2: .*'xx'; give tgt_lang"):
        Ct2Teacher(models.converted("nllb"), SearchSettings(), src="en", tgt="xx")


@pytest.mark.parametrize(
    "lacking", ["model.bin", "config.json", "shared_vocabulary.json", "tokenizer_config.json"]
)
def test_a_directory_that_lacks_a_file_is_refused(models: TinyModels, tmp_path: Path, lacking: str) -> None:
    copy = Path(shutil.copytree(models.converted("nllb"), tmp_path / "copy"))
    (copy / lacking).unlink()
    with pytest.raises(DataError, match=lacking):
        teach(copy)


def test_weights_that_ctranslate2_cannot_read_are_named(models: TinyModels, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(models.converted("marian"), tmp_path / "copy"))
    (copy / "model.bin").write_bytes(b"no model")
    with pytest.raises(DataError, match="copy: CTranslate2 cannot load it"):
        teach(copy).translate(["a"])


def test_a_missing_library_is_told_with_its_remedy(
    models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = teach(models.converted("marian"))
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ConfigError, match=r"\[ct2\]"):
        teacher.translate(["a"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"\[hf\]"):
        teach(models.converted("marian")).translate(["a"])
