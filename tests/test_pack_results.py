"""A pack has the results of its own model: no other pair's, and none of an earlier training."""

import json
from pathlib import Path

import pytest

from synthst.datadir import new_directory, text_path
from synthst.errors import DataError
from synthst.pack.results import select_results
from synthst.report.results import report_results
from synthst.score import score_system
from synthst.tables import write_table

REFERENCES = ["Wählen Sie eine rote Katze aus.", "Der Hund singt in einem Haus."]


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in the folder of a recipe, as its commands do."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_scored(model: Path, tgt: str, lines: list[str]) -> Path:
    """Make a trained, decoded and scored model, and its data's test set."""
    references = text_path(Path(f"data/{tgt}/test"), tgt)
    if not references.parent.is_dir():
        with new_directory(references.parent, made_by={"step": "toy"}) as folder:
            for lang in ("en", tgt):
                write_table(text_path(folder, lang), [(f"u{n}", line) for n, line in enumerate(REFERENCES)])
    hyp = text_path(model / "decode_test", tgt)
    hyp.parent.mkdir(parents=True, exist_ok=True)
    (model / "train.json").write_text(json.dumps({"targets": "real"}), encoding="utf-8")
    hyp.write_text("".join(f"u{n} {line}\n" for n, line in enumerate(lines)), encoding="utf-8")
    score_system(hyp, references, hyp.with_name("scores.json"), tgt=tgt)
    return model


def report(models: list[Path], tgt: str) -> None:
    report_results(
        models,
        data=Path(f"data/{tgt}"),
        test_sets=["test"],
        src="en",
        tgt=tgt,
        out=Path("RESULTS.md"),
        title=f"Toy en-{tgt}",
        command="./run.sh",
        baseline="none",
    )


def test_only_the_sections_with_this_model_are_taken() -> None:
    german, french = (make_scored(Path(f"exp/{tgt}/mt_2x2"), tgt, REFERENCES) for tgt in ("de", "fr"))
    report([german], "de")
    report([french], "fr")
    told = Path("RESULTS.md").read_text(encoding="utf-8")
    Path("RESULTS.md").write_text(told + "\nWhat I think of it.\n", encoding="utf-8")
    found = select_results(Path("RESULTS.md"), french.resolve())
    assert found.startswith("# Results\n\n## Toy en-fr\n\n") and found.endswith("\n")
    assert "en-de" not in found and "What I think" not in found and "<!--" not in found


def test_a_model_that_the_results_do_not_name_is_refused() -> None:
    german, french = (make_scored(Path(f"exp/{tgt}/mt_2x2"), tgt, REFERENCES) for tgt in ("de", "fr"))
    report([german], "de")
    with pytest.raises(DataError, match="no section with the scores of exp/fr/mt_2x2 .* run stage 11"):
        select_results(Path("RESULTS.md"), french)


def test_results_of_an_earlier_training_are_refused() -> None:
    model = make_scored(Path("exp/de/mt_2x2"), "de", REFERENCES)
    report([model], "de")
    make_scored(model, "de", ["Wählen Sie eine Katze aus.", "Der Hund singt."])
    with pytest.raises(DataError, match="as they are now; run stage 11"):
        select_results(Path("RESULTS.md"), model)


@pytest.mark.parametrize("lacking", ["RESULTS.md", "results.json"])
def test_results_without_their_record_are_refused(lacking: str) -> None:
    model = make_scored(Path("exp/de/mt_2x2"), "de", REFERENCES)
    report([model], "de")
    Path(lacking).unlink()
    with pytest.raises(DataError, match=f"{lacking} is not there; run stage 11 first"):
        select_results(Path("RESULTS.md"), model)


def test_results_are_found_from_another_folder(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report([make_scored(Path("exp/de/mt_2x2"), "de", REFERENCES)], "de")
    (recipe / "elsewhere").mkdir()
    monkeypatch.chdir(recipe / "elsewhere")
    found = select_results(recipe / "RESULTS.md", recipe / "exp/de/mt_2x2")
    assert found.startswith("# Results\n\n## Toy en-de\n")
