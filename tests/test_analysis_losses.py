"""Training losses: kept batch by batch, read back from our record or ESPnet's log, and drawn."""

import csv
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from synthst.analysis.curves import curves, default_windows, describe_variance
from synthst.analysis.losses import Losses, read_losses, smooth
from synthst.errors import ConfigError, DataError
from synthst.espnet.losses import FILE, record_losses


@dataclass(frozen=True)
class Value:
    value: float


def stats(*values: float) -> dict[str, list[Value]]:
    """Return what ESPnet reports of an epoch of a text model."""
    nought = [Value(0.0) for _ in values]
    return {
        "iter_time": nought,
        "loss": [Value(value) for value in values],
        "loss_mt": nought,
        "loss_st": [Value(value / 2) for value in values],
        "loss_scale": [Value(1.0) for _ in values],
    }


def make_model(folder: Path, values: list[float], *, targets: str = "real", accumulate: int = 1) -> Path:
    folder.mkdir()
    record_losses(folder, 1, stats(*values))
    training = {"training": {"accumulate": accumulate, "seed": 0}}
    (folder / "train.json").write_text(json.dumps({"targets": targets, "settings": training}))
    return folder


def log_line(epoch: int, first: int, last: int, loss: float) -> str:
    stretch = f"2026-11-22 15:45:18,432 INFO root: {epoch}epoch:train:{first}-{last}batch: "
    return f"{stretch}iter_time=9.954e-04, loss={loss}, acc=0.184, loss_scale=1.000, train_time=0.314\n"


def log_epoch(epoch: int, total: int) -> str:
    return (
        f"2026-11-22 15:45:35,714 INFO root: {epoch}epoch results: [train] loss=9.999, "
        f"total_count={total}, [valid] loss=4.263, total_count=44\n"
    )


def test_the_record_keeps_the_losses_of_all_epochs_in_order(tmp_path: Path) -> None:
    record_losses(tmp_path, 1, stats(4.0, 3.0))
    record_losses(tmp_path, 2, stats(2.25, 1.0))
    lines = ["epoch\tbatch\tloss\tloss_st", "1\t1\t4\t2", "1\t2\t3\t1.5", "2\t1\t2.25\t1.125", "2\t2\t1\t0.5"]
    assert (tmp_path / FILE).read_text(encoding="utf-8").splitlines() == lines


def test_an_epoch_that_is_trained_again_replaces_itself_and_what_followed(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        record_losses(tmp_path, epoch, stats(float(epoch)))
    record_losses(tmp_path, 2, stats(7.0))
    assert [line.split("\t")[2] for line in (tmp_path / FILE).read_text().splitlines()] == ["loss", "1", "7"]


def test_steps_are_the_optimisers_and_not_the_batches(tmp_path: Path) -> None:
    found = read_losses(make_model(tmp_path / "m", [4, 3, 2, 1]), accumulate=2)
    assert found.steps.tolist() == [0.5, 1, 1.5, 2]
    assert found.values.tolist() == [4, 3, 2, 1]
    assert found.batches == 1
    assert read_losses(tmp_path / "m", loss="loss_st").values.tolist() == [2, 1.5, 1, 0.5]


def test_without_a_record_the_averages_are_those_of_espnets_log(tmp_path: Path) -> None:
    lines = [log_line(1, 1, 10, 5.0), log_line(1, 11, 20, 4.0), log_epoch(1, 25)]
    lines += [log_line(2, 1, 10, 9.0), "killed\n", log_line(2, 1, 10, 3.0), log_line(2, 11, 20, 2.5)]
    (tmp_path / "train.log").write_text("".join(lines), encoding="utf-8")
    found = read_losses(tmp_path)
    assert found.steps.tolist() == [10, 20, 35, 45]
    assert found.values.tolist() == [5.0, 4.0, 3.0, 2.5]
    assert found.batches == 10


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([log_line(1, 1, 10, 5.0), log_line(2, 1, 10, 4.0)], "end of epoch 1"),
        ([log_line(1, 1, 10, 5.0), log_line(1, 11, 31, 4.0)], r"stretches of \[10, 21\] batches"),
        (["nothing\n"], "tells no training loss"),
        ([log_line(1, 1, 10, 5.0)], "1 values of loss are no curve"),
    ],
)
def test_a_log_that_is_no_curve_is_refused(tmp_path: Path, lines: list[str], told: str) -> None:
    (tmp_path / "train.log").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_losses(tmp_path)


def test_what_a_model_has_not_is_named_with_what_it_has(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m", [4, 3])
    with pytest.raises(ConfigError, match="no 'los'; give --loss one of loss, loss_st"):
        read_losses(model, loss="los")
    (tmp_path / "train.log").write_text(log_line(1, 1, 10, 5.0) + log_line(1, 11, 20, 5.0))
    with pytest.raises(ConfigError, match="no 'los'; give --loss one of loss$"):
        read_losses(tmp_path, loss="los")
    with pytest.raises(DataError, match="neither"):
        read_losses(tmp_path / "none")
    with pytest.raises(DataError, match="loss of batch 2 is no number"):
        read_losses(make_model(tmp_path / "n", [4, float("nan"), 3]))


def test_a_window_has_the_mean_and_half_the_mean_square_of_successive_differences() -> None:
    losses = Losses(np.arange(1.0, 8), np.array([1.0, 3, 2, 4, 4, 4, 7]), 1)
    steps, means, variances = smooth(losses, 2)
    # windows of 4 and 3: differences 2, -1, 2 and 0, 3
    assert steps.tolist() == [4, 7]
    assert means.tolist() == [2.5, 5.0]
    assert variances.tolist() == pytest.approx([(4 + 1 + 4) / 3 / 2, 9 / 2 / 2])


def test_the_variance_is_that_of_the_noise_also_where_the_loss_falls() -> None:
    draw = random.Random(0)
    noise = np.array([draw.gauss(0, 0.1) for _ in range(20_000)])
    losses = Losses(np.arange(1.0, 20_001), 9 - 0.0003 * np.arange(20_000) + noise, 1)
    _, _, variances = smooth(losses, 4)
    assert variances == pytest.approx(np.full(4, 0.01), rel=0.1)
    assert losses.values[:5000].var() > 0.1


@pytest.mark.parametrize("windows", [0, 4])
def test_too_many_windows_are_refused(windows: int) -> None:
    losses = Losses(np.arange(1.0, 8), np.arange(7.0), 1)
    with pytest.raises(ConfigError, match="give 1 to 3"):
        smooth(losses, windows)


def test_curves_writes_a_row_for_every_window_of_every_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = make_model(tmp_path / "r", [5, 4, 4, 3], accumulate=2)
    synth = make_model(tmp_path / "s", [3, 2, 2, 2], targets="synth", accumulate=2)
    curves([real, synth], tmp_path / "figure", windows=2)
    with (tmp_path / "figure.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            [row[key] for key in ("label", "step", "loss", "variance", "values")]
            for row in csv.DictReader(file)
        ]
    assert rows == [
        ["real", "1", "4.5", "0.5", "2"],
        ["real", "2", "3.5", "0.5", "2"],
        ["synthetic", "1", "2.5", "0.5", "2"],
        ["synthetic", "2", "2", "0", "2"],
    ]
    assert "real: last loss 3.500" in capsys.readouterr().out
    assert (tmp_path / "figure.png").is_file() and (tmp_path / "figure.svg").is_file()


def test_the_variance_has_a_unit() -> None:
    one, ten = (Losses(np.arange(2.0), np.arange(2.0), batches) for batches in (1, 10))
    assert describe_variance(one) == "variance between batches (nats²)"
    assert describe_variance(ten) == "variance of 10-batch means (nats²)"


def test_variances_of_unequal_averages_are_not_compared(tmp_path: Path) -> None:
    one, other = (
        make_model(tmp_path / "a", [5, 4, 4, 3]),
        make_model(tmp_path / "b", [5, 4], targets="synth"),
    )
    (other / FILE).unlink()
    lines = [log_line(1, 1, 10, 5.0), log_line(1, 11, 20, 4.0), log_epoch(1, 20)]
    (other / "train.log").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=r"varies less \(.*a: 1 batches, .*b: 10 batches\)"):
        curves([one, other], tmp_path / "figure")
    assert not (tmp_path / "figure.csv").exists()


@pytest.mark.parametrize(("values", "windows"), [(150_000, 50), (300, 15), (100, 10), (35, 7), (4, 1)])
def test_windows_are_at_most_fifty_and_have_values_enough(values: int, windows: int) -> None:
    assert default_windows(values) == windows
