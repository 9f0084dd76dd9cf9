"""A packed model: it translates as its directory does, and its card says what it was made of."""

import json
import shutil
from pathlib import Path

import pytest
from fake_teacher import FakeTeacher
from toy_packed import copy_model, trained_on
from toy_task import make_task, write_pairs

from synthst.cli import main
from synthst.datadir import new_directory, text_path
from synthst.errors import ConfigError, DataError
from synthst.info import read_info, write_info
from synthst.pack.command import pack
from synthst.pack.licences import NOT_STATED, find_corpus_licences
from synthst.pack.lineage import find_teachers, teacher_folder, trace_directories, trace_model
from synthst.pack.scores import read_scores
from synthst.packfile import read_manifest, unpack
from synthst.report.results import report_results
from synthst.score import score_system
from synthst.tables import read_table
from synthst.targets.filter import filter_datadir
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus
from synthst.teacher.kinds import name_teacher

pytestmark = pytest.mark.usefixtures("one_thread", "cache")
LICENCES = Path(__file__).parents[1] / "conf/licences.yaml"


def make_corpus(out: Path, sentences: list[str], **more: object) -> Path:
    """Make a data directory of a corpus, in a folder that names packages, as prepare_libreoffice does."""
    write_pairs(out, [(sentence, sentence.upper()) for sentence in sentences])
    made_by = {"step": "prepare_libreoffice", "src": "en"}
    write_info(out, {**made_by, "set": out.name}, counts={"kept": len(sentences)}, **more)
    write_info(out.parent, made_by, packages={"libreoffice-help-de": "4:7.4"})
    return out


@pytest.fixture
def synthetic(tmp_path: Path) -> Path:
    """Make a filtered corpus with a teacher's targets, the teacher taken from elsewhere."""
    train = make_corpus(tmp_path / "corpus/train", ["a cat sings", "a dog sings", "the held one"])
    held = make_corpus(tmp_path / "other/test", ["the held one"])
    filters = tmp_path / "filters.yaml"
    filters.write_text("- name: empty\n", encoding="utf-8")
    filter_datadir(train, tmp_path / "clean", src="en", tgt="de", filters=filters, held_out=[held])
    store = tmp_path / "teacher/beam4"
    with new_directory(tmp_path / "teacher") as folder:
        write_info(folder, {"step": "take_teacher"}, teacher="hf:facebook/nllb-200-3.3B")
    decode_corpus(FakeTeacher(), tmp_path / "clean", store, src="en")
    replace_targets(tmp_path / "clean", store, tmp_path / "synth", src="en", tgt="de")
    return tmp_path / "synth"


def test_lineage_goes_back_to_the_corpus_and_leaves_held_out_sets_aside(synthetic: Path) -> None:
    origins = trace_directories([synthetic])
    assert [origin.path.relative_to(synthetic.parent).as_posix() for origin in origins] == [
        "synth",
        "clean",
        "corpus/train",
    ]
    assert [origin.step for origin in origins] == ["replace_targets", "filter_pairs", "prepare_libreoffice"]
    assert [origin.is_corpus for origin in origins] == [False, False, True]
    assert origins[1].counts["kept"] == 2 and origins[1].counts["dropped_overlap"] == 1
    assert origins[2].packages == {"libreoffice-help-de": "4:7.4"}
    (taught,) = find_teachers(origins)
    assert taught.teacher == dict(FakeTeacher().identity)
    assert teacher_folder(taught) == synthetic.parent / "teacher"


def test_what_is_gone_is_said_to_be(synthetic: Path) -> None:
    (synthetic.parent / "corpus/train/info.json").unlink()
    gone = trace_directories([synthetic])[-1]
    assert (gone.path, gone.step) == (synthetic.parent / "corpus/train", "")


def test_a_model_that_began_with_another_comes_from_its_data_too(tmp_path: Path) -> None:
    def make_model(name: str, data: Path, weights: Path | None) -> Path:
        (tmp_path / name).mkdir()
        tokens = {"tokens": {"made_by": {"data": str(data)}}, "valid_tokens": {"made_by": {"data": "dev"}}}
        later = {"switch": {"to": {"made_by": {"data": str(data.with_name("later"))}}}}
        train = json.dumps({"settings": tokens | later})
        (tmp_path / name / "train.json").write_text(train, encoding="utf-8")
        (tmp_path / name / "model.pth").touch()
        if weights is not None:
            parts = {"parts": {"all": {"path": str(weights)}}}
            (tmp_path / name / "init.json").write_text(json.dumps(parts), encoding="utf-8")
        return tmp_path / name

    general, own = (make_corpus(tmp_path / name / "train", ["one"]) for name in ("general", "own"))
    (elsewhere := tmp_path / "elsewhere.pth").touch()
    first = make_model("first", general, elsewhere)
    origins = trace_model(make_model("second", own, first / "model.pth"))
    paths = [own, own.with_name("later"), general, general.with_name("later"), elsewhere]
    assert [origin.path for origin in origins] == paths
    assert origins[4].step == "weights made elsewhere" and origins[1].step == ""
    assert find_corpus_licences(origins, {})[-1].licence == NOT_STATED


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny model for a few steps."""
    from synthst.espnet.train import train_model

    folder = tmp_path_factory.mktemp("model")
    train_model(out=folder / "mt_1x1", **make_task(folder), labels={"targets": "real", "subset": None})
    return folder / "mt_1x1"


def translations(model: Path) -> list[str]:
    from synthst.espnet.load import load_model
    from synthst.espnet.search import SearchOptions
    from synthst.espnet.translate import translate_sentences

    found = translate_sentences(load_model(model), ["a red cat", "the tree"], SearchOptions(beam=2))
    return [hypotheses[0].text for hypotheses in found]


def test_a_pack_translates_as_its_directory_does(model: Path, tmp_path: Path) -> None:
    from synthst.teacher.espnet import EspnetTeacher
    from synthst.teacher.protocol import SearchSettings

    out = tmp_path / "shared.zip"
    assert main(["pack", "--model", str(model), "--out", str(out), "--licence", "MIT"]) == 0
    assert translations(out) == translations(model)
    assert name_teacher(str(out)) == f"espnet:{out}"
    ours, theirs = (EspnetTeacher(place, SearchSettings()).identity for place in (out, model))
    assert ours == theirs  # translations of the one are those of the other in a store
    unpack(out, tmp_path / "again")
    assert (tmp_path / "again/model.pth").read_bytes() == (model / "model.pth").read_bytes()
    card = (tmp_path / "again/README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: [en, de]\n") and "\nlicense: mit\n" in card
    assert "12 steps on 200 sentences, targets: real" in card and "learnt from human" not in card
    assert "is not recorded. Its training calls them real." in card and "## Teacher\n\nNot recorded." in card
    assert ": toy_task" in card and f"/train | {NOT_STATED} | - |" in card


def test_the_card_has_scores_teacher_filters_and_results(
    model: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_model(model, tmp_path / "mt_synth")
    trained_on(copy, synthetic)
    decoded = text_path(copy / "decode_test", "de")
    decoded.parent.mkdir()
    decoded.write_bytes(text_path(synthetic, "de").read_bytes())
    score_system(decoded, text_path(synthetic, "de"), decoded.with_name("scores.json"), tgt="de")
    shutil.copytree(synthetic, tmp_path / "data/test")
    results, named = (
        tmp_path / "RESULTS.md",
        {"src": "en", "tgt": "de", "title": "A toy", "command": "./run.sh"},
    )
    report_results([copy], data=tmp_path / "data", test_sets=["test"], out=results, **named)

    pack(copy, tmp_path / "pack.zip", results=results, licences=LICENCES)
    unpack(tmp_path / "pack.zip", tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "| test | BLEU | 100.0 | nrefs:1\\|" in card
    assert "**fake**, en to de\n\n- " in card and "beam 4" in card
    assert "| hf:facebook/nllb-200-3.3B | CC-BY-NC-4.0 |" in card
    assert "kept 2, dropped_overlap 1" in card and '"name": "overlap"' in card
    assert "| LibreOffice's help texts, en | MPL-2.0 |" in card and NOT_STATED not in card.split("| of |")[1]
    assert "\n## A toy\n" in (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    lineage = json.loads((tmp_path / "out/lineage.json").read_text(encoding="utf-8"))
    assert [origin["step"] for origin in lineage["origins"]][0] == read_info(synthetic)["made_by"]["step"]  # type: ignore[index]

    key, _ = next(read_table(decoded))
    decoded.write_text(f"{key} something else\n", encoding="utf-8")
    assert read_scores(copy)[0] == {} and "test are left out" in read_scores(copy)[1][0]


def test_an_unpacked_model_still_knows_how_its_teacher_was_trained(
    model: Path, synthetic: Path, tmp_path: Path
) -> None:
    for path in copy_model(model, tmp_path / "own").iterdir():
        path.rename(tmp_path / "teacher" / path.name)
    trained_on(tmp_path / "teacher", make_corpus(tmp_path / "more/train", ["a tree"]))
    student = copy_model(model, tmp_path / "mt_synth")
    trained_on(student, synthetic)
    told = []
    for number in range(2):
        pack(student, tmp_path / f"{number}.zip", licences=None if number else LICENCES)
        student = tmp_path / f"unpacked{number}"
        unpack(tmp_path / f"{number}.zip", student)
        card = (student / "README.md").read_text(encoding="utf-8")
        lineage = json.loads((student / "lineage.json").read_text(encoding="utf-8"))
        told.append((card.split("## Teacher\n")[1].split("## Licences")[0], lineage["teachers"]))
    assert told[0] == told[1]
    assert (
        "- trained here: parameters " in told[0][0] and "LibreOffice's help texts, en**, `more/" in told[0][0]
    )


def test_a_training_that_is_not_finished_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/config.yaml").touch()
    with pytest.raises(DataError, match="lacks model.pth, tgt.model: no model that was trained here"):
        pack(tmp_path / "half", tmp_path / "pack.zip")
    with pytest.raises(DataError, match="run stage 11 first"):
        pack(model, tmp_path / "pack.zip", results=tmp_path / "RESULTS.md")


def test_a_model_of_speech_is_not_given_lines_of_text(model: Path, tmp_path: Path) -> None:
    from synthst.packfile import write_packfile

    pack(model, tmp_path / "text.zip")
    unpack(tmp_path / "text.zip", tmp_path / "out")
    files: dict[str, Path | str] = {path.name: path for path in (tmp_path / "out").iterdir()}
    write_packfile(tmp_path / "speech.zip", files, {**read_manifest(tmp_path / "text.zip"), "task": "st"})
    with pytest.raises(ConfigError, match="holds a model of speech"):
        name_teacher(str(tmp_path / "speech.zip"))
