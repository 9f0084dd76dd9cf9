"""The figure of BLEU around a change of targets."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from synthst.analysis.switch import describe_curve, switch_plot
from synthst.errors import ConfigError, DataError
from synthst.espnet.bleu_curve import CurvePoint, record_bleu


def write_model(
    folder: Path, targets: str, scores: list[float], *, switch: int | None = None, dev: str = "dev"
) -> Path:
    """Write what a training of BLEU ``scores`` after steps 10, 20, ... leaves."""
    folder.mkdir()
    trained: dict[str, Any] = {"targets": targets, "settings": {"valid_tokens": {"path": dev}}}
    if switch is not None:
        trained["switched_after_step"] = switch
    (folder / "train.json").write_text(json.dumps(trained))
    for number, score in enumerate(scores, 1):
        tokens = "tokens_b" if switch is not None and number * 10 > switch else "tokens_a"
        record_bleu(folder, CurvePoint(number * 10, score, tokens))
    return folder


def test_the_figure_has_the_numbers_of_all_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = write_model(tmp_path / "a", "real", [1.0, 2.0, 3.0])
    synth = write_model(tmp_path / "b", "synth then real", [2.0, 4.0, 3.5], switch=20)
    switch_plot([real, synth], tmp_path / "exp" / "figure2", title="BLEU & switch")
    with (tmp_path / "exp" / "figure2.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["step"], float(row["bleu"]), row["targets"]) for row in rows] == [
        ("real", "10", 1.0, "tokens_a"),
        ("real", "20", 2.0, "tokens_a"),
        ("real", "30", 3.0, "tokens_a"),
        ("synthetic then real", "10", 2.0, "tokens_a"),
        ("synthetic then real", "20", 4.0, "tokens_a"),
        ("synthetic then real", "30", 3.5, "tokens_b"),
    ]
    assert [row["switched_after_step"] for row in rows] == ["", "", "", "20", "20", "20"]
    assert (tmp_path / "exp" / "figure2.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "exp" / "figure2.svg").read_text(encoding="utf-8")
    assert capsys.readouterr().out == (
        "real: BLEU 3.0 after step 30\n"
        "synthetic then real: BLEU 4.0 after step 20, 3.5 after step 30; at last 3.5 after step 30\n"
    )


def test_a_curve_with_nothing_on_one_side_of_the_switch_tells_its_end() -> None:
    curve = [CurvePoint(10, 1.0, "a"), CurvePoint(20, 2.0, "a")]
    assert describe_curve(curve, 5) == describe_curve(curve, 30) == "BLEU 2.0 after step 20"


def test_models_of_unlike_development_sets_are_refused(tmp_path: Path) -> None:
    first = write_model(tmp_path / "a", "real", [1.0])
    second = write_model(tmp_path / "b", "synth", [1.0], dev="other_dev")
    with pytest.raises(ConfigError, match="/b was measured on other_dev, .*/a on dev"):
        switch_plot([first, second], tmp_path / "figure")
    assert not list(tmp_path.glob("figure*"))


def test_a_model_that_was_not_measured_is_named(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a", "real", [])
    with pytest.raises(DataError, match=r"a/dev_bleu.csv: no BLEU by step"):
        switch_plot([model], tmp_path / "figure")
