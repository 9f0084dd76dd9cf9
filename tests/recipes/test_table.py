"""`synthst table` on the recipe egs/libreoffice/mt1 and its toy language."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Mt1
from toy import make_packages, write_settings

from synthst.errors import DataError
from synthst.experiments.command import table

pytestmark = pytest.mark.recipe

TABLE = """
title: Real and synthetic targets
recipe: {recipe}/run.sh
rows: [{{name: 2x2, options: {{student: 2x2}}}}]
columns:
  - {{name: "120", options: {{subset: 120}}}}
  - {{name: too many, options: {{subset: 100000}}}}
systems:
  - {{name: real, options: {{targets: real}}}}
  - {{name: synthetic, options: {{targets: synth}}}}
"""


def test_table_runs_what_is_missing_reuses_what_is_there_and_shows_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe = Mt1(tmp_path)
    make_packages(recipe.folder / "debs")
    write_settings(recipe.folder / "conf")
    recipe.succeed("--targets", "real", "--stop_stage", "10")
    trained = recipe.exp / "mt_2x2_train_120_real/model.pth"
    before = trained.stat().st_mtime_ns
    experiment = tmp_path / "small.yaml"
    experiment.write_text(TABLE.format(recipe=recipe.recipe), encoding="utf-8")
    options: dict[str, str | int] = {"conf": str(tmp_path / "conf"), "deb_dir": str(tmp_path / "debs")}
    with pytest.raises(DataError, match="2 of 4 runs failed"):
        table(experiment, workdir=recipe.work, options=options, jobs=2, out=tmp_path)

    assert trained.stat().st_mtime_ns == before
    with (tmp_path / "small.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["column"], row["system"]): row for row in csv.DictReader(file)}
    assert [row["status"] for row in rows.values()] == ["finished", "finished", "failed", "failed"]
    told = (tmp_path / "small_logs/2x2_too_many_real.log").read_text(encoding="utf-8")
    assert "stage 1 (choose the subset) failed" in told

    recipe.succeed("--targets", "synth", "--stage", "11", "--stop_stage", "11")
    (stage_11,) = json.loads((recipe.work / "results.json").read_text(encoding="utf-8")).values()
    real, synth, teacher = (
        next(row for row in stage_11["rows"] if row["targets"] == targets)
        for targets in ("real", "synth", "teacher")
    )
    assert [float(rows["120", system]["bleu"]) for system in ("real", "synthetic")] == [
        real["bleu"],
        synth["bleu"],
    ]
    assert float(rows["120", "synthetic"]["p_value"]) == synth["bleu_p_value"]
    written = (tmp_path / "small.md").read_text(encoding="utf-8")
    assert f"- teacher\\_own: {teacher['bleu']:.1f} BLEU on test" in written
