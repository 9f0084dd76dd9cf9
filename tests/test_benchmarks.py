"""Every benchmark still finds what it measures."""

import dataclasses
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from synthst.espnet import unpadded
from synthst.espnet.config import ModelConfig
from synthst.espnet.speech_config import SpeechModelConfig

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.system
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.py")))
def test_a_benchmark_tells_its_options_or_is_imported(name: str) -> None:
    command = [sys.executable, str(FOLDER / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module train_side, which benchmarks/train.py finds beside itself."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)  # and set back
    import train_side

    return train_side


def options(module: Any, folder: Path, **changes: Any) -> Any:
    given = {"side": "ours_float32", "task": "mt", "model": ModelConfig(1, 1, 16, 32, 2), "vocabulary": 20}
    given |= {"batch": 60, "batches": 3, "learning_rate": 1e-3, "threads": 1, "ngpu": 0, "seed": 1}
    return module.Options(**given | changes, start=folder / "start.pth")


@pytest.mark.system
def test_a_side_trains_with_the_kernels_that_espnets_main_chooses(side: Any, tmp_path: Path) -> None:
    chosen = options(side, tmp_path)
    batches = side.make_work(chosen).batches
    before = [{name: tensor.clone() for name, tensor in batch.items()} for _, batch in batches]
    done = side.Side(chosen, tmp_path).train(batches)
    assert len(done.losses) == 3 and done.wall > 0
    assert torch.backends.cudnn.deterministic
    for (_, batch), copied in zip(batches, before, strict=True):
        assert all(torch.equal(batch[name], copied[name]) for name in copied)


@pytest.mark.system
def test_a_compiled_side_compiles_the_layers_of_encoder_and_decoder_for_any_shape(
    side: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: list[set[str]] = []

    def compile_nothing(graph: Any, _: Any) -> Any:
        graphs.append({str(node.target) for node in graph.graph.nodes})
        return graph.forward

    chosen = options(side, tmp_path, model=ModelConfig(2, 2, 16, 32, 2, 0.0, 0.0), batches=4)
    batches = side.make_work(chosen).batches
    plain = side.Side(chosen, tmp_path).train(batches)
    monkeypatch.setattr(unpadded, "decoder_layer", unpadded.decoder_layer)  # and set back
    monkeypatch.setattr(side, "COMPILER", compile_nothing)
    compiled = dataclasses.replace(chosen, side="ours_compiled")
    found = side.Side(compiled, tmp_path).train(batches)
    to_frames = [names for names in graphs if any("frames" in name for name in names)]
    assert 1 <= len(to_frames) <= 2 and 1 <= len(graphs) - len(to_frames) <= 2
    assert found.losses == pytest.approx(plain.losses, rel=1e-3)  # bfloat16, where the processor has it


@pytest.mark.system
def test_a_side_that_ends_leaves_the_others_going(side: Any) -> None:
    import train

    pipes = {name: multiprocessing.Pipe() for name in ("stock", "ours_compiled")}
    pipes["stock"][1].send(side.Round(1.0, 1.0, [2.0], [0.5], 3.0))
    pipes["ours_compiled"][1].close()
    runners = {name: train.Runner(here) for name, (here, _) in pipes.items()}
    train.train_round(runners, [0])
    assert list(runners) == ["stock"] and len(runners["stock"].rounds) == 1


@pytest.mark.system
def test_a_long_run_on_speech_repeats_its_batches(side: Any, tmp_path: Path) -> None:
    chosen = options(side, tmp_path, task="st", batch=2.0, batches=120)
    work = side.make_work(chosen)
    assert len(work.batches) == len(work.amounts) == side.DISTINCT_SPEECH < 120
    assert len(side.make_work(dataclasses.replace(chosen, batches=3)).batches) == 3


@pytest.mark.system
def test_training_ends_in_time_with_what_it_has(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "train.py"), "--preset", "small", "--vocabulary", "50"]
    command += [
        "--batch",
        "60",
        "--batches",
        "1",
        "--rounds",
        "9",
        "--minutes",
        "0",
        "--sides",
        "stock",
        "ours",
    ]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, capture_output=True, timeout=300)
    losses = (tmp_path / "losses.tsv").read_text(encoding="utf-8").splitlines()
    assert len(losses) == 3  # a head, and two rounds: one to warm up and one that counts
    assert "by processor time, 1 batches" in (tmp_path / "train.txt").read_text(encoding="utf-8")


@pytest.mark.system
def test_the_scale_of_every_step_on_data_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "scale.py"), "--parts", "data", "--rows", "1000", "2000"]
    command += ["--folder", str(tmp_path), "--out", str(tmp_path / "out.jsonl")]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    steps = ["make the files", "import", "filter", "subset", "combine", "combine_pairs"]
    assert [json.loads(line)["step"].split(",")[0].split(":")[0] for line in lines] == steps * 2
    assert "projected to 300,000,000 pairs from 1,000 and 2,000" in told
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.system
def test_the_memory_of_a_step_is_that_of_its_children_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process sleeps while its child holds 200 MB for a second."""
    monkeypatch.syspath_prepend(FOLDER)
    import scale_watch

    hold = "import time; held = bytearray(b'x') * 200_000_000; time.sleep(1)"
    wait = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], check=True)"
    process = subprocess.Popen([sys.executable, "-c", wait])
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(scale_watch.own_memory, scale_watch.processes_of(process.pid))))
    assert 200 < peak * 1.048576 < 300


def test_the_passes_over_the_data_are_planned_as_they_are_needed(
    side: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import train_work

    planned = []
    plan = train_work.plan_pass
    monkeypatch.setattr(train_work, "plan_pass", lambda *given: planned.append(given) or plan(*given))
    work = train_work.translation(20, 60, 3, 1)
    assert len(work.batches) == 3 and len(planned) == 1


@pytest.mark.system
def test_the_speech_sides_have_the_same_loss_and_neither_computes_float32_in_tf32(
    side: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # and set back
    shape = SpeechModelConfig(encoder_layers=1, decoder_layers=1, width=16, feedforward=32, heads=2, kernel=3)
    shape = dataclasses.replace(shape, dropout=0.0, attention_dropout=0.0, spec_augment=False)
    losses = {}
    for name in ("stock", "ours_float32"):
        chosen = options(side, tmp_path, task="st", side=name, batch=12.0, batches=2, model=shape)
        losses[name] = side.Side(chosen, tmp_path).train(side.make_work(chosen).batches).losses
        assert not torch.backends.cudnn.allow_tf32
    assert losses["ours_float32"] == pytest.approx(losses["stock"], rel=1e-4)
