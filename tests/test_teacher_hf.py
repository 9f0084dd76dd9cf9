"""The teacher of the transformers library: every family of models, the same whatever the batch."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_hf import MAKERS, SOURCES, TinyModels
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from synthst.errors import ConfigError, DataError
from synthst.teacher.hf import HfOptions, HfTeacher
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings

PROMPTS = {  # how the library's documentation begins source and target, English to German
    "marian": ("", []),
    "fsmt": ("", []),
    "opus-mul": (">>deu<< ", []),
    "m2m": ("", ["__de__"]),
    "nllb": ("", ["deu_Latn"]),
    "mbart": ("", ["de_DE"]),
    "t5": ("translate English to German: ", []),
    "madlad": ("<2de> ", []),
}
SOURCE_LANGUAGES = {"m2m": "en", "nllb": "eng_Latn", "mbart": "en_XX"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


def teach(directory: Path, settings: SearchSettings | None = None, **options: Any) -> HfTeacher:
    """Load a teacher for English to German."""
    chosen = HfOptions(**options)
    return HfTeacher(str(directory), settings or SearchSettings(), src="en", tgt="de", options=chosen)


def assert_same(ours: Sequence[Sequence[Hypothesis]], wanted: Sequence[Sequence[Hypothesis]]) -> None:
    for mine, theirs in zip(ours, wanted, strict=True):
        assert [hyp._replace(score=0) for hyp in mine] == [hyp._replace(score=0) for hyp in theirs]
        assert [hyp.score for hyp in mine] == pytest.approx([hyp.score for hyp in theirs], abs=1e-4)


class Reference:
    """The library alone: its tokeniser, its greedy search, its log probabilities."""

    def __init__(self, name: str, directory: Path) -> None:
        text, tags = PROMPTS[name]
        languages = {"src_lang": SOURCE_LANGUAGES[name]} if name in SOURCE_LANGUAGES else {}
        self.tokenizer = AutoTokenizer.from_pretrained(directory, **languages)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(directory).eval()
        self.text = text
        start = self.model.generation_config.decoder_start_token_id
        self.prompt = [start, *(self.tokenizer.convert_tokens_to_ids(tag) for tag in tags)]

    def read(self, source: str) -> torch.Tensor:
        return torch.tensor([self.tokenizer(self.text + source).input_ids])

    def greedy(self, source: str, limit: int) -> list[int]:
        """Return the tokens that `generate` writes, the end included if it comes."""
        written = self.model.generate(
            self.read(source),
            decoder_input_ids=torch.tensor([self.prompt]),
            num_beams=1,
            do_sample=False,
            max_new_tokens=limit,
            forced_bos_token_id=None,
            forced_eos_token_id=None,
        )
        tokens: list[int] = written[0, len(self.prompt) :].tolist()
        return tokens

    def text_of(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text.strip()

    def log_probability(self, source: str, tokens: Sequence[int]) -> float:
        """Add up the log probabilities of a target's tokens in one pass."""
        with torch.inference_mode():
            read = torch.tensor([[*self.prompt, *tokens[:-1]]])
            written = self.model(  # with a cache FSMT would see the tokens that follow
                input_ids=self.read(source), decoder_input_ids=read, use_cache=False
            )
            logits = written.logits[0]
            if self.model.config.model_type == "marian":
                logits[:, self.model.config.pad_token_id] = float("-inf")
        log_probs = torch.log_softmax(logits[len(self.prompt) - 1 :], dim=-1)
        return float(log_probs.gather(1, torch.tensor(tokens).unsqueeze(1)).sum())


@pytest.mark.parametrize("name", MAKERS)
def test_greedy_search_writes_what_the_library_writes(models: TinyModels, name: str) -> None:
    settings = SearchSettings(beam=1, min_length=0, max_ratio=0.5, max_extra=2)
    reference = Reference(name, models[name])
    for source, [hyp] in zip(SOURCES, teach(models[name], settings).translate(SOURCES), strict=True):
        limit = int(0.5 * reference.read(source).size(1)) + 2
        tokens = reference.greedy(source, limit)
        finished = tokens[-1] == reference.model.config.eos_token_id
        assert (hyp.finished, hyp.tokens) == (finished, len(tokens) - finished)
        assert hyp.text == reference.text_of(tokens)
        counted = limit + 1 if len(tokens) == limit else len(tokens)  # at the limit ESPnet counts one more
        assert hyp.score == pytest.approx(reference.log_probability(source, tokens) / counted, abs=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_a_beam_finds_at_least_what_greedy_search_finds(models: TinyModels, name: str) -> None:
    limits = {"max_ratio": 0.0, "max_extra": 6}
    greedy = teach(models[name], SearchSettings(beam=1, **limits)).translate(SOURCES)
    beams = teach(models[name], SearchSettings(beam=8, nbest=3, **limits)).translate(SOURCES)
    for [one], several in zip(greedy, beams, strict=True):
        scores = [hyp.score for hyp in several]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert scores[0] >= one.score - 1e-5


@pytest.mark.parametrize("top_k", [0, 5])
@pytest.mark.parametrize("name", ["marian", "fsmt", "nllb", "t5"])
def test_neighbours_and_batches_change_nothing(models: TinyModels, name: str, top_k: int) -> None:
    settings = SearchSettings(nbest=2, top_k=top_k, max_ratio=1.0, max_extra=3)
    together = teach(models[name], settings).translate(SOURCES)
    assert_same(teach(models[name], settings, batch_tokens=60).translate(SOURCES[::-1]), together[::-1])
    alone = teach(models[name], settings)
    assert_same([alone.translate([source])[0] for source in SOURCES], together)


def test_samples_follow_the_seed(models: TinyModels) -> None:
    def sample(seed: int) -> list[list[Hypothesis]]:
        return teach(models["nllb"], SearchSettings(nbest=3, top_k=20, seed=seed)).translate(SOURCES)

    assert_same(sample(1), sample(1))
    assert sample(1) != sample(2)


@pytest.mark.parametrize("name", ["marian", "fsmt", "mbart"])
def test_a_source_that_is_too_long_is_cut_and_its_translation_counts_as_cut_off(
    models: TinyModels, name: str
) -> None:
    settings = SearchSettings(beam=2, max_extra=2)
    [[first], [cut], [last]] = teach(models[name], settings).translate(
        [SOURCES[0], "Save the file. " * 350, SOURCES[1]]
    )
    assert not cut.finished
    assert cut.tokens < 64
    assert_same([[first], [last]], teach(models[name], settings).translate(SOURCES[:2]))


def test_blank_and_strange_sources_get_an_answer(models: TinyModels) -> None:
    strange = ["", " \t", "😀😀😀", "a\u2028b", "</s>"]
    found = teach(models["marian"]).translate(strange)
    assert found[:2] == [[Hypothesis("", 0.0, 0, True)]] * 2
    assert all(len(hypotheses) == 1 for hypotheses in found)


def test_bfloat16_computes_in_bfloat16(models: TinyModels) -> None:
    settings = SearchSettings(beam=1, dtype="bfloat16", max_extra=2)
    precise = teach(models["marian"], SearchSettings(beam=1, max_extra=2)).translate(SOURCES)
    rough = teach(models["marian"], settings).translate(SOURCES)
    differences = [abs(a.score - b.score) for [a], [b] in zip(precise, rough, strict=True)]
    assert 1e-6 < max(differences) < 0.5


def test_a_prefix_that_is_given_goes_before_the_task(models: TinyModels) -> None:
    assert teach(models["t5"]).identity["source_prefix"] == "translate English to German: "
    assert teach(models["t5"], source_prefix="").identity["source_prefix"] == ""
    french = HfTeacher(str(models["t5"]), SearchSettings(), src="en", tgt="fr")
    assert french.identity["source_prefix"] == ""


def test_the_identity_is_of_the_content_not_of_the_place(models: TinyModels, tmp_path: Path) -> None:
    identity = teach(models["nllb"]).identity
    copy = Path(shutil.copytree(models["nllb"], tmp_path / "elsewhere" / "nllb"))
    assert teach(copy, batch_tokens=9).identity == identity
    assert (identity["src_tag"], identity["tgt_tag"]) == ("eng_Latn", "deu_Latn")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    changed = teach(copy).identity
    assert [key for key in identity if changed[key] != identity[key]] == ["weights_sha256"]


@pytest.mark.parametrize("name", ["vocab-src.json", "vocab-tgt.json", "merges.txt"])
def test_each_file_of_a_tokeniser_belongs_to_the_identity(
    models: TinyModels, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(models["fsmt"], tmp_path / "fsmt"))
    text = (copy / name).read_text(encoding="utf-8")
    (copy / name).write_text(f"{text}\n", encoding="utf-8")
    identity, changed = (teach(directory).identity for directory in (models["fsmt"], copy))
    assert [key for key in identity if changed[key] != identity[key]] == ["files_sha256"]


def test_a_model_that_names_no_end_is_refused(models: TinyModels, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(models["fsmt"], tmp_path / "fsmt"))
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "eos_token_id": None}), encoding="utf-8")
    with pytest.raises(ConfigError, match="fsmt does not say which token .* put an eos_token into"):
        teach(copy).translate(["Save"])


def test_a_model_by_name_is_identified_by_its_commit(
    models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "models--somebody--opus"
    shutil.copytree(models["marian"], folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    teacher = HfTeacher("somebody/opus", SearchSettings(), src="en", tgt="de")
    assert teacher.identity["name"] == "somebody/opus"
    assert teacher.identity["revision"] == commit
    assert_same(teacher.translate(SOURCES), teach(models["marian"]).translate(SOURCES))


def test_the_teacher_is_loaded_by_its_kind(models: TinyModels) -> None:
    options = {"tgt_lang": "fra_Latn"}
    teacher = load_teacher(f"hf:{models['nllb']}", SearchSettings(), src="en", tgt="de", options=options)
    assert isinstance(teacher, HfTeacher)
    assert teacher.identity["tgt_tag"] == "fra_Latn"


def test_what_is_no_model_is_refused(models: TinyModels, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a directory with a model"):
        teach(tmp_path)
    copy = Path(shutil.copytree(models["marian"], tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    teacher = teach(copy)
    with pytest.raises(DataError, match="has no weights"):
        _ = teacher.identity
    with pytest.raises(DataError, match="no sequence-to-sequence model"):
        teacher.translate(["a"])
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "no such thing"}))
    with pytest.raises(DataError, match="neither a directory with a model"):
        teach(copy)


def test_an_unknown_language_is_refused(models: TinyModels) -> None:
    with pytest.raises(ConfigError, match=r"m2m: .*'xx'; give tgt_lang"):
        HfTeacher(str(models["m2m"]), SearchSettings(), src="en", tgt="xx")
    with pytest.raises(ConfigError, match="max_source_tokens 1"):
        HfOptions(max_source_tokens=1)


def test_a_missing_library_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"\[hf\]"):
        teach(tmp_path)
