"""`synthst table` on a toy recipe: what is run, what is reused, what fails, what is written."""

import csv
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sacrebleu import corpus_bleu
from toy_experiment import (
    EXPERIMENTS,
    HYPOTHESES,
    REFERENCES,
    ROOT,
    TABLE,
    make_recipe,
    read_calls,
    write_experiment,
)

from synthst.errors import ConfigError, DataError
from synthst.experiments.cells import list_cells
from synthst.experiments.command import table
from synthst.experiments.definition import read_experiment
from synthst.experiments.plan import plan_runs

pytestmark = pytest.mark.system
BLEU = {name: corpus_bleu(lines, [REFERENCES]).score for name, lines in HYPOTHESES.items()}
OTHER_SET = """
title: Domains
recipe: ../run.sh
rows: [{name: small}]
columns: [{name: in, test_set: test}, {name: out, test_set: other}]
systems: [{name: real, options: {targets: real}}, {name: synthetic, options: {targets: synth}}]
"""
ONE_FAILS = """
title: Faults
recipe: ../run.sh
rows: [{name: broken, options: {student: broken}}, {name: small}]
columns: [{name: a, options: {subset: 1}}]
systems: [{name: synthetic, options: {targets: synth}}, {name: real, options: {targets: real}}]
"""
SLOW = "flock locked bash -c 'trap : TERM HUP INT; touch begun; sleep 300; sleep 0.5'"
"""A process that a stage starts, that holds a lock, and that takes its time to end."""
MEET = """
title: Together
recipe: ../run.sh
rows: [{name: both, options: {student: meet}}]
columns: [{name: a}]
systems: [{name: real, options: {targets: real}}, {name: synthetic, options: {targets: synth}}]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """The toy table, its recipe beside it."""
    return make_recipe(tmp_path)


def read_csv(folder: Path, preset: str = "mini") -> list[dict[str, str]]:
    with (folder / "exp/tables" / preset / "toy.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_md(folder: Path) -> str:
    return (folder / "exp/tables/mini/toy.md").read_text(encoding="utf-8")


def test_table_runs_every_cell_and_what_they_share_once(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(experiment)
    calls = read_calls(tmp_path)
    assert calls.count("teacher --out") == 0 and calls.count("teacher exp/mini/teacher") == 1
    trained = {call for call in calls if call.startswith("train ")}
    assert trained == {f"train exp/mini/{s}_10_{t}" for s in ("2x2", "6x6") for t in ("real", "synth")}
    assert len([call for call in calls if call.startswith("train ")]) == 4
    assert not [call for call in calls if call.startswith("results")]
    printed = capsys.readouterr().out
    ours = f"{BLEU['real']:.1f} / {BLEU['synth']:.1f} ({BLEU['synth'] - BLEU['real']:+.1f}*)"
    assert [line.split("  ") for line in printed.splitlines()[1:3]][1][-1] == ours
    assert "17.6 / 20.9 (+3.3)" in printed


def test_rows_and_columns_may_be_chosen(experiment: Path, tmp_path: Path) -> None:
    table(experiment, rows=["small"])
    trained = {call for call in read_calls(tmp_path) if call.startswith("train ")}
    assert trained == {f"train exp/mini/2x2_10_{targets}" for targets in ("real", "synth")}
    assert {line["row"] for line in read_csv(tmp_path)} == {"small"}
    with pytest.raises(ConfigError, match="toy has no columns 9x9; it has "):
        table(experiment, columns=["9x9"])


def test_table_scores_and_compares_as_sacrebleu_does(experiment: Path, tmp_path: Path) -> None:
    table(experiment)
    rows = read_csv(tmp_path)
    assert [(row["row"], row["system"]) for row in rows] == [
        *(("small", "real"), ("small", "synthetic"), ("large", "real"), ("large", "synthetic")),
    ]
    assert [float(row["bleu"]) for row in rows] == pytest.approx([BLEU["real"], BLEU["synth"]] * 2)
    assert [row["delta"] == "" for row in rows] == [True, False, True, False]
    assert float(rows[1]["delta"]) == pytest.approx(BLEU["synth"] - BLEU["real"])
    assert float(rows[1]["p_value"]) < 0.01
    assert [row["paper"] for row in rows] == ["17.6", "20.9", "", ""]
    assert (rows[1]["paper_delta"], rows[1]["paper_row"], rows[1]["paper_column"]) == ("3.3", "2x2", "0.5M")
    assert "- Training: 6 minutes in all, 4 students" in read_md(tmp_path)  # 90 seconds each
    assert rows[1]["directory"] == "exp/mini/2x2_10_synth" and rows[1]["steps"] == "60"
    assert "--student 2x2 --subset 10 --targets synth" in rows[1]["options"]


def test_table_runs_only_what_is_missing(experiment: Path, tmp_path: Path) -> None:
    table(experiment, rows=["large"])
    (tmp_path / "calls.txt").unlink()
    table(experiment)
    assert "train exp/mini/6x6_10_real" not in read_calls(tmp_path)
    assert "train exp/mini/2x2_10_real" in read_calls(tmp_path)
    (tmp_path / "calls.txt").unlink()
    table(experiment, jobs=3)
    assert read_calls(tmp_path) == []


def test_what_was_decoded_otherwise_is_not_shown_before_the_stages_have_let_it_pass(
    experiment: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sh = [str(tmp_path / "run.sh"), "--targets", "real", "--stop_stage", "10"]
    subprocess.run(run_sh, check=True, capture_output=True)
    table(experiment, rows=["small"], dry_run=True)
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["to", "check"],
        ["to", "do"],
    ]
    table(experiment, rows=["small"], jobs=0)
    assert "small, 10 %, real: decoded, but not known to be of this plan; --jobs 1 checks it" in caplog.text
    assert {row["status"] for row in read_csv(tmp_path)} == {"missing"}
    table(experiment, rows=["small"])
    (tmp_path / "calls.txt").unlink()
    table(experiment, rows=["small"], options={"deb_dir": "elsewhere"}, jobs=0)
    assert {row["status"] for row in read_csv(tmp_path)} == {"missing"}
    table(experiment, rows=["small"], options={"deb_dir": "elsewhere"})
    assert "train exp/mini/2x2_10_real" in read_calls(tmp_path)
    assert {row["status"] for row in read_csv(tmp_path)} == {"finished"}


def test_a_changed_settings_file_is_noticed_and_what_a_stage_then_refuses_is_not_shown(
    experiment: Path, tmp_path: Path
) -> None:
    settings, run_sh = tmp_path / "settings.yaml", tmp_path / "run.sh"
    settings.write_text("steps: 60", encoding="utf-8")
    text = run_sh.read_text(encoding="utf-8")
    run_sh.write_text(text.replace("--note", "--config settings.yaml --note"), encoding="utf-8")
    table(experiment, rows=["small"])
    table(experiment, rows=["small"])
    assert read_calls(tmp_path).count("train exp/mini/2x2_10_real") == 1
    settings.write_text("steps: 70", encoding="utf-8")
    run_sh.write_text(
        run_sh.read_text(encoding="utf-8").replace("train)", "train) return 3;"), encoding="utf-8"
    )
    with pytest.raises(DataError, match="2 of 2 runs failed"):
        table(experiment, rows=["small"])
    assert [(row["status"], row["bleu"]) for row in read_csv(tmp_path)] == [("failed", "")] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_table_alone_ends_what_its_stage_has_started(
    experiment: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run_sh = tmp_path / "run.sh"
    text = run_sh.read_text(encoding="utf-8")
    run_sh.write_text(text.replace("train)", f"train) {SLOW};"), encoding="utf-8")
    command = [sys.executable, "-m", "synthst.cli", "table", str(experiment), "--rows", "[small]"]
    before = signal.signal(number, signal.SIG_DFL)  # it may be ignored here, and then in processes begun here
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(number, before)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "stopping; run again" in told and "Traceback" not in told
    with (tmp_path / "locked").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more


@pytest.mark.parametrize("jobs", [1, 4])
def test_table_shows_a_failed_run_and_goes_on_with_the_others(tmp_path: Path, jobs: int) -> None:
    make_recipe(tmp_path)
    experiment = write_experiment(tmp_path, ONE_FAILS)
    log = tmp_path / "exp/tables/mini/toy_logs/broken_a_synthetic.log"
    with pytest.raises(
        DataError, match=f"1 of 4 runs failed .*broken, a, synthetic: stage 8 failed, see {log}"
    ):
        table(experiment, jobs=jobs)
    rows = read_csv(tmp_path)
    assert [row["status"] for row in rows] == ["failed", "finished", "finished", "finished"]
    assert f"| broken | ours | failed / {BLEU['real']:.1f} |" in read_md(tmp_path)
    assert "- broken, a, synthetic: stage 8 failed, see toy\\_logs/broken\\_a\\_synthetic.log" in read_md(
        tmp_path
    )
    assert "the loss is nan" in log.read_text(encoding="utf-8")


def test_a_stage_that_failed_is_not_tried_again_for_another_run(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    run_sh = tmp_path / "run.sh"
    broken = run_sh.read_text(encoding="utf-8").replace("teacher) sleep 0.1;", "teacher) return 3;")
    run_sh.write_text(broken, encoding="utf-8")
    with pytest.raises(DataError, match="2 of 4 runs failed"):
        table(tmp_path / "experiments/toy.yaml")
    assert read_calls(tmp_path).count("teacher exp/mini/teacher") == 1
    assert [row["status"] for row in read_csv(tmp_path)] == ["finished", "failed"] * 2


def test_jobs_run_side_by_side_but_never_write_to_one_directory(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    table(write_experiment(tmp_path, MEET), jobs=2)
    assert [row["status"] for row in read_csv(tmp_path)] == ["finished", "finished"]
    writing: set[str] = set()
    for line in (tmp_path / "calls.txt").read_text(encoding="utf-8").splitlines():
        _, moment, _, *paths = line.replace("[", " ").replace("]", " ").split()
        for path in paths:
            assert (path in writing) == (moment == "end"), f"{path} is written to by two at a time"
            (writing.add if moment == "begin" else writing.discard)(path)


def test_cells_of_other_test_sets_come_from_one_run(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    table(write_experiment(tmp_path, f"{OTHER_SET}average: both\n"))
    assert len([call for call in read_calls(tmp_path) if call.startswith("train ")]) == 2
    rows = read_csv(tmp_path)
    assert [row["test_set"] for row in rows] == ["test", "test", "other", "other", "", ""]
    assert {row["directory"] for row in rows[:4]} == {"exp/mini/2x2_10_real", "exp/mini/2x2_10_synth"}
    one = f"{BLEU['real']:.1f} / {BLEU['synth']:.1f} ({BLEU['synth'] - BLEU['real']:+.1f}"
    assert read_md(tmp_path).count(one) == 3 and "| in | out | both |" in read_md(tmp_path)


def test_seeds_give_means_and_deviations(experiment: Path, tmp_path: Path) -> None:
    write_experiment(tmp_path, TABLE.replace("  - {name: large, options: {student: 6x6}}\n", ""))
    seeds = [3, 4]
    table(experiment, seeds=seeds, jobs=0)
    assert {row["status"] for row in read_csv(tmp_path)} == {"missing"}
    table(experiment, seeds=seeds)
    text = tmp_path / "exp/mini/2x2_10_real_seed4/decode_test/text.de"
    text.write_bytes((tmp_path / "data/test/teacher.txt").read_bytes())  # a seed that went better: BLEU 100
    table(experiment, seeds=seeds)
    rows = {(row["system"], row["seed"]): row for row in read_csv(tmp_path) if row["row"] == "small"}
    assert list(rows) == [(system, seed) for system in ("real", "synthetic") for seed in ("3", "4", "all")]
    mean, half = (BLEU["real"] + 100) / 2, (100 - BLEU["real"]) / 2
    assert float(rows["real", "all"]["bleu"]) == pytest.approx(mean)
    assert float(rows["real", "all"]["bleu_deviation"]) == pytest.approx(half * 2**0.5)  # n - 1 of two
    assert float(rows["synthetic", "4"]["delta"]) == pytest.approx(BLEU["synth"] - 100)
    assert rows["synthetic", "all"]["p_value"] == "1.0"  # better in one seed, worse in the other
    assert f"{mean:.1f} ± {half * 2**0.5:.1f} / {BLEU['synth']:.1f} ± 0.0" in read_md(tmp_path)


def test_dry_run_and_no_jobs_run_nothing(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(experiment, dry_run=True)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in told] == [["to", "do"]] * 4
    assert told[0].endswith("run.sh --preset mini --workdir . --student 2x2 --subset 10 --targets real")
    assert not (tmp_path / "exp/tables").exists()
    table(experiment, jobs=0)
    assert read_calls(tmp_path) == []
    assert "| small | ours | - / - |" in read_md(tmp_path)


def test_workdir_preset_and_out_say_where_things_go(experiment: Path, tmp_path: Path) -> None:
    write_experiment(
        tmp_path,
        TABLE.replace("  - {name: small, options: {student: 2x2}, paper: 2x2}\n", "").split("paper:\n")[0],
    )
    table(experiment, preset="full", workdir=tmp_path / "elsewhere", out=tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        f"toy.{s}" for s in ("md", "csv", "tex")
    } | {"toy_logs"}
    assert (tmp_path / "elsewhere/exp/full/6x6_300_synth/decode_test/text.de").is_file()


def test_gpus_are_dealt_out_to_the_jobs(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    run_sh = tmp_path / "run.sh"
    seen = 'meet || return 1; echo "$CUDA_VISIBLE_DEVICES" >"gpu_$targets"'
    run_sh.write_text(run_sh.read_text(encoding="utf-8").replace("meet || return 1", seen), encoding="utf-8")
    table(write_experiment(tmp_path, MEET), jobs=2, gpus=[5, 7])
    assert {(tmp_path / f"gpu_{t}").read_text(encoding="utf-8") for t in ("real", "synth")} == {"5\n", "7\n"}


def test_options_of_the_recipe_that_are_wrong_stop_before_any_work(experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="small, 10 %, real: .*unknown option --stduent"):
        table(experiment, options={"stduent": "2x2"})
    with pytest.raises(ConfigError, match="jobs is -1"):
        table(experiment, jobs=-1)
    assert read_calls(tmp_path) == []


def test_a_recipe_that_decodes_nothing_is_refused(experiment: Path, tmp_path: Path) -> None:
    run_sh = tmp_path / "run.sh"
    text = "".join(line for line in run_sh.open(encoding="utf-8") if not line.startswith("run 10"))
    run_sh.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="its plan lacks --models at stage 10"):
        table(experiment)


def test_a_run_that_leaves_no_translations_has_failed(experiment: Path, tmp_path: Path) -> None:
    run_sh = tmp_path / "run.sh"
    text = run_sh.read_text(encoding="utf-8").replace("for set in test other", "for set in other")
    run_sh.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="4 of 4 runs failed .*stage 10 left no translations"):
        table(experiment)


def test_the_plan_of_a_run_survives_any_name(experiment: Path) -> None:
    definition = read_experiment(experiment)
    cells = list_cells(
        definition, preset="mini", seeds=[None], options={"deb_dir": "a 'b' $c"}, workdir="w ü"
    )
    run = plan_runs(definition.recipe, cells)[1]
    assert run.model == definition.recipe.parent / "w ü/exp/mini/2x2_10_synth"
    assert run.others == (definition.recipe.parent / "w ü/exp/mini/teacher",)
    assert [step.stage for step in run.steps] == [2, 8, 10]
    assert run.steps[1].commands[0][-1] == "ü [x], a 'b' $c"
    assert run.steps[2].writes == {"w ü/exp/mini/2x2_10_synth", "w ü/exp/mini/teacher"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("preset", ["mini", "full"])
def test_the_papers_experiments_have_options_and_seeds_their_recipes_know(path: Path, preset: str) -> None:
    experiment = read_experiment(path)
    cells = list_cells(experiment, preset=preset, seeds=[7], options={}, workdir=".")
    first_of_entries = {cell.place.row: cell for cell in cells} | {cell.place.column: cell for cell in cells}
    runs = plan_runs(experiment.recipe, [*dict.fromkeys([*first_of_entries.values(), *cells[:2]])])
    assert all(run.steps and "_seed7" in run.model.name for run in runs)
