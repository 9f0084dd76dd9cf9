"""`synthst convert`: the CTranslate2 directory translates as the model does, or there is none."""

import sys
from pathlib import Path

import pytest
import transformers
from tiny_hf import MAKERS, SOURCES, TinyModels

from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.teacher import convert
from synthst.teacher.convert import convert_model
from synthst.teacher.ct2 import Ct2Options, Ct2Teacher
from synthst.teacher.hf import HfTeacher
from synthst.teacher.protocol import SearchSettings


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "fsmt"])
def test_the_converted_model_translates_as_the_model_does(models: TinyModels, name: str) -> None:
    settings = SearchSettings(beam=1, min_length=0, max_ratio=0.5, max_extra=3)
    wanted = HfTeacher(str(models[name]), settings, src="en", tgt="de").translate(SOURCES)
    found = Ct2Teacher(
        models.converted(name), settings, src="en", tgt="de", options=Ct2Options(compute_type="float32")
    ).translate(SOURCES)
    for [ours], [theirs] in zip(found, wanted, strict=True):
        assert ours._replace(score=0) == theirs._replace(score=0)
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)


def test_int8_is_smaller_and_says_where_it_comes_from(models: TinyModels, tmp_path: Path) -> None:
    convert_model(str(models["marian"]), tmp_path / "int8")
    made_by = read_info(tmp_path / "int8")["made_by"]
    origin = HfTeacher(str(models["marian"]), SearchSettings()).identity
    assert isinstance(made_by, dict)
    assert made_by["origin"]["weights_sha256"] == origin["weights_sha256"]
    sizes = [
        (place / "model.bin").stat().st_size for place in (tmp_path / "int8", models.converted("marian"))
    ]
    assert sizes[0] < sizes[1]
    assert 0 < float(str(read_info(tmp_path / "int8")["mean_difference"])) < 0.25


def test_what_is_there_is_passed_over_or_refused(models: TinyModels, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert_model(str(models["marian"]), out, quantisation="float32")
    before = (out / "model.bin").stat().st_mtime_ns
    convert_model(str(models["marian"]), out, quantisation="float32")
    assert (out / "model.bin").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="quantisation"):
        convert_model(str(models["marian"]), out, quantisation="int8")


@pytest.mark.parametrize("quantisation", ["float32", "int8"])
def test_a_conversion_that_computes_something_else_is_refused(
    models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantisation: convert.Quantisation
) -> None:
    """Without our correction CTranslate2 4.8 scales the outputs of a MADLAD that transformers 5 loaded."""
    monkeypatch.setattr(convert, "complete_config", lambda config: None)
    with pytest.raises(ConfigError, match="differ by .* use hf:"):
        convert_model(str(models["madlad"]), tmp_path / "out", quantisation=quantisation)
    assert not list(tmp_path.iterdir())


def test_a_model_that_ctranslate2_does_not_know_is_refused(models: TinyModels, tmp_path: Path) -> None:
    model = tmp_path / "model"
    transformers.ProphetNetConfig().save_pretrained(model)
    (model / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="CTranslate2 cannot represent it .* use hf:"):
        convert_model(str(model), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_fsmt_is_refused_as_ctranslate2_lacks_it(models: TinyModels, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CTranslate2 cannot represent it .*FSMTConfig.* use hf:"):
        convert_model(str(models["fsmt"]), tmp_path / "out")
    with pytest.raises(DataError, match="fsmt is no CTranslate2 model, .* make one with synthst convert"):
        Ct2Teacher(models["fsmt"], SearchSettings(), src="en", tgt="de")
    assert not (tmp_path / "out").exists()


def test_missing_libraries_are_told_with_their_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, extra in (("transformers", "hf"), ("ctranslate2", "ct2")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ConfigError, match=rf"\[{extra}\]"):
            convert_model(str(tmp_path), tmp_path / "out")
