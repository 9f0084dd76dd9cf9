"""A card says that people wrote the targets only where every step of the lineage shows it."""

import json
import shutil
from pathlib import Path

import pytest
from fake_teacher import FakeTeacher
from toy_task import write_pairs

from synthst.corpora.parallel import import_pairs
from synthst.datadir import subset_datadir, write_info
from synthst.pack.lineage import find_teachers, trace_model, trace_targets
from synthst.pack.writers import Writer, describe_no_teacher, describe_writer, find_writer
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus


def make_corpus(out: Path, step: str = "prepare_libreoffice") -> Path:
    write_pairs(out, [("one", "eins"), ("two", "zwei")])
    write_info(out, {"step": step, "src": "en", "tgt": "de"})
    return out


def make_model(out: Path, data: Path, *, label: str | None = "real", **settings: object) -> Path:
    """Make the train.json of a model that learnt from ``data``."""
    out.mkdir()
    settings |= {"tokens": {"made_by": {"data": str(data)}}, "valid_tokens": {"made_by": {"data": "dev"}}}
    train = {"settings": settings} | ({"targets": label} if label else {})
    (out / "train.json").write_text(json.dumps(train), encoding="utf-8")
    return out


def writer_of(model: Path) -> Writer:
    label = json.loads((model / "train.json").read_text(encoding="utf-8")).get("targets")
    taught = find_teachers(trace_model(model))
    return find_writer(trace_targets(model), label, is_taught=bool(taught))


@pytest.mark.parametrize("label", ["real", "real, encoder of an_asr", "teacher", None])
def test_people_wrote_what_a_corpus_of_references_and_steps_that_keep_them_made(
    tmp_path: Path, label: str | None
) -> None:
    subset_datadir(make_corpus(tmp_path / "corpus"), tmp_path / "subset", size=1)
    assert writer_of(make_model(tmp_path / "model", tmp_path / "subset", label=label)) == "people"


def test_a_label_that_says_synthetic_is_believed_when_the_lineage_shows_no_teacher(tmp_path: Path) -> None:
    data = make_corpus(tmp_path / "corpus")
    assert writer_of(make_model(tmp_path / "model", data, label="synth by own")) == "unrecorded"


@pytest.mark.parametrize("label", ["real", "synth"])
def test_nobody_is_named_when_an_origin_is_gone(tmp_path: Path, label: str) -> None:
    data = make_corpus(tmp_path / "corpus")
    subset_datadir(data, tmp_path / "subset", size=1)
    model = make_model(tmp_path / "model", tmp_path / "subset", label=label)
    shutil.rmtree(data)
    assert writer_of(model) == "unrecorded"
    shutil.rmtree(tmp_path / "subset")
    assert writer_of(model) == "unrecorded"


def test_imported_texts_may_be_a_machine_s(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tone\teins\nb\ttwo\tzwei\n", encoding="utf-8")
    import_pairs(tmp_path / "imported", src="en", tgt="de", tsv=tmp_path / "pairs.tsv")
    subset_datadir(tmp_path / "imported", tmp_path / "subset", size=1)
    assert writer_of(make_model(tmp_path / "model", tmp_path / "subset")) == "imported"


@pytest.mark.parametrize("step", ["made by hand", "toy_task", "subset_datadir"])
def test_a_directory_that_no_corpus_s_command_made_is_no_reference(tmp_path: Path, step: str) -> None:
    assert writer_of(make_model(tmp_path / "model", make_corpus(tmp_path / "data", step))) == "unrecorded"


def test_a_teacher_s_translations_are_the_teacher_s(tmp_path: Path) -> None:
    data = make_corpus(tmp_path / "corpus")
    decode_corpus(FakeTeacher(), data, tmp_path / "store", src="en")
    replace_targets(data, tmp_path / "store", tmp_path / "synth", src="en", tgt="de")
    assert writer_of(make_model(tmp_path / "model", tmp_path / "synth", label="synth")) == "teacher"


def test_audio_and_the_recogniser_it_began_with_say_nothing_of_a_translator_s_targets(tmp_path: Path) -> None:
    recogniser = make_model(tmp_path / "asr", make_corpus(tmp_path / "speech", "import_lhotse"), label=None)
    translator = make_model(tmp_path / "mt", make_corpus(tmp_path / "bitext", "prepare_bitext"))
    audio = [{"made_by": {"data": str(tmp_path / "speech")}}]
    model = make_model(tmp_path / "st", make_corpus(tmp_path / "corpus"), task="st", audio=audio)
    parts = {"encoder": {"path": str(recogniser / "model.pth")}}
    (model / "init.json").write_text(json.dumps({"parts": parts}), encoding="utf-8")
    assert writer_of(recogniser) == "imported"
    assert writer_of(model) == "people"
    parts["decoder"] = {"path": str(translator / "model.pth")}
    (model / "init.json").write_text(json.dumps({"parts": parts}), encoding="utf-8")
    assert writer_of(model) == "imported"


def test_what_is_not_recorded_is_said_so() -> None:
    told = describe_writer("unrecorded", "mt", "synth")
    assert told.startswith("Who wrote the translations that it learnt from is not recorded.")
    assert "synth" in told and describe_no_teacher("unrecorded") == "Not recorded.\n"
    imported = describe_writer("imported", "mt", "real")
    assert imported.endswith("as imported; who wrote the translations is not recorded.")
    assert describe_writer("people", "asr", None) == "It learnt from human transcripts only."
