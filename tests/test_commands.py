"""The commands that join parts of the package: what each leaves behind, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from toy_task import make_task, write_pairs

from synthst.commands import choose_subset, import_text, translate_sets, write_results
from synthst.datadir import new_directory
from synthst.errors import ConfigError, DataError
from synthst.espnet.train import train_model
from synthst.tables import read_table
from synthst.teacher.protocol import SearchSettings

PAIRS = [(f"sentence {number}", f"Satz {number}") for number in range(20)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "data", PAIRS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    arguments = make_task(folder)
    train_model(out=folder / "exp" / "student", **arguments, labels={"targets": "real", "student": "1x1"})
    return folder / "exp" / "student"


def ids(directory: Path) -> list[str]:
    return [key for key, _ in read_table(directory / "text.en")]


def write_translations(path: Path, sources: list[str]) -> Path:
    lines = ["source\thypothesis", *(f"{source}\t{source.upper()}" for source in sources)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# Subsets


def test_text_is_imported_from_a_tsv_and_from_two_files_named_after_their_languages(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("b\tone\teins\na\ttwo\tzwei\n", encoding="utf-8")
    import_text(tmp_path / "from_tsv", src="en", tgt="de", tsv=tmp_path / "pairs.tsv")
    assert dict(read_table(tmp_path / "from_tsv/text.de")) == {"a": "zwei", "b": "eins"}
    (tmp_path / "a.en").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "a.de").write_text("eins\nzwei\n", encoding="utf-8")
    import_text(tmp_path / "from_files", src=str(tmp_path / "a.en"), tgt=str(tmp_path / "a.de"))
    assert [text for _, text in read_table(tmp_path / "from_files/text.de")] == ["eins", "zwei"]
    with pytest.raises(ConfigError, match="named after their languages"):
        import_text(tmp_path / "nothing", src="en", tgt="de")


def test_subset_and_rest_are_the_data(data: Path, tmp_path: Path) -> None:
    choose_subset(data, tmp_path / "small", rest=tmp_path / "rest", size="8")
    small, rest = ids(tmp_path / "small"), ids(tmp_path / "rest")
    assert (len(small), len(rest)) == (8, 12)
    assert sorted(small + rest) == ids(data)


def test_subsets_are_nested(data: Path, tmp_path: Path) -> None:
    for size in ("5", "12"):
        choose_subset(data, tmp_path / size, rest=tmp_path / f"rest_{size}", size=size)
    assert set(ids(tmp_path / "5")) < set(ids(tmp_path / "12"))


@pytest.mark.parametrize("size", ["all", "20"])
def test_all_leaves_no_rest(data: Path, tmp_path: Path, size: str) -> None:
    choose_subset(data, tmp_path / "subset", rest=tmp_path / "rest", size=size, max_rest=3)
    assert ids(tmp_path / "subset") == ids(data)
    assert not (tmp_path / "rest").exists()


@pytest.mark.parametrize(("max_rest", "wanted"), [(3, 3), (12, 12), (100, 12)])
def test_the_rest_is_at_most_max_rest(data: Path, tmp_path: Path, max_rest: int, wanted: int) -> None:
    choose_subset(data, tmp_path / "small", rest=tmp_path / "rest", size="8", max_rest=max_rest)
    assert len(ids(tmp_path / "rest")) == wanted
    assert not set(ids(tmp_path / "rest")) & set(ids(tmp_path / "small"))


def test_choosing_again_does_nothing(data: Path, tmp_path: Path) -> None:
    for _ in range(2):
        choose_subset(data, tmp_path / "small", rest=tmp_path / "rest", size="8", max_rest=3)
    assert len(ids(tmp_path / "small")) == 8


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5", ""])
def test_a_size_that_is_no_number_is_refused(data: Path, tmp_path: Path, size: str) -> None:
    with pytest.raises(ConfigError, match=f"--size is '{size}', wanted is a number"):
        choose_subset(data, tmp_path / "subset", rest=tmp_path / "rest", size=size)


def test_more_than_there_is_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 20 utterances, 21 were wanted"):
        choose_subset(data, tmp_path / "subset", rest=tmp_path / "rest", size="21")


# Teachers


def test_test_sets_are_translated_by_id_and_reported(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exp, student = tmp_path / "exp", tmp_path / "exp" / "student"
    shutil.copytree(trained, student)
    sets = tmp_path / "sets"
    write_pairs(sets / "test", [("the red cat", "the red cat"), ("a dog sleeps", "a dog sleeps")])
    with new_directory(tmp_path / "exp" / "taken", made_by={"step": "take_teacher"}):
        pass
    for _ in range(2):
        translate_sets([student, exp / "taken"], sets, ["test"], src="en", tgt="de")
    rows = dict(read_table(student / "decode_test" / "text.de", allow_empty=True))
    assert list(rows) == ["u000000", "u000001"]
    facts = json.loads((student / "decode_test" / "decode.json").read_text(encoding="utf-8"))
    assert facts["sentences"] == 2 and facts["seconds"] > 0
    assert not (exp / "taken" / "decode_test").exists()

    options = {"data": sets, "test_sets": ["test"], "src": "en", "tgt": "de", "out": tmp_path / "RESULTS.md"}
    write_results(exp, **options, title="Toy", command="./run.sh")
    assert "real" in capsys.readouterr().out
    assert "Toy" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    scores = json.loads((student / "decode_test" / "scores.json").read_text(encoding="utf-8"))
    assert "BLEU" in json.dumps(scores)


def test_a_changed_model_does_not_keep_its_old_translations(trained: Path, tmp_path: Path) -> None:
    student, sets = tmp_path / "student", tmp_path / "sets"
    shutil.copytree(trained, student)
    write_pairs(sets / "test", [("the red cat", "the red cat")])
    translate_sets([student], sets, ["test"], src="en", tgt="de")
    with pytest.raises(DataError, match="made otherwise.*beam"):
        translate_sets([student], sets, ["test"], src="en", tgt="de", search=SearchSettings(beam=2))


def test_an_experiment_without_models_cannot_be_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no trained model; run stage 8 first"):
        write_results(
            tmp_path,
            data=tmp_path,
            test_sets=["test"],
            src="en",
            tgt="de",
            out=tmp_path / "RESULTS.md",
            title="Toy",
            command="./run.sh",
        )
