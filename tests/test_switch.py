"""A change of targets in a training: when it comes, what it is refused for, and what the batches are."""

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_task import make_sentences, make_task, write_pairs

from synthst.errors import ConfigError, DataError
from synthst.espnet.batches import ParallelTokens, TrainingBatches
from synthst.espnet.bleu_curve import CurvePoint, DevBleuConfig, read_curve, record_bleu
from synthst.espnet.config import TrainingConfig
from synthst.espnet.dev_bleu import DevBleu
from synthst.espnet.switch import Restart, Switch, SwitchConfig, plan_switch, refuse_other_sources
from synthst.espnet.switch_batches import SwitchedBatches
from synthst.tokens import read_tokens, write_tokens

TEN_VALIDATIONS = TrainingConfig(max_steps=100, validate_every=10, average_best=3, warmup_steps=20)
PLATEAU = Switch("other", None, latest=79, validate_every=10, restart="nothing", patience=2)


def plan(at: int | str | None, restart: Restart = "nothing", patience: int = 2) -> Switch | None:
    return plan_switch(Path("other"), at, SwitchConfig(restart, patience), TEN_VALIDATIONS)


# When


@pytest.mark.parametrize(("at", "step"), [(35, 35), ("35", 35), ("epoch:4", 40), ("plateau", None)])
def test_a_switch_comes_after_a_step_or_a_validation_or_a_plateau(at: int | str, step: int | None) -> None:
    assert plan(at) == dataclasses.replace(PLATEAU, fixed_step=step)


def test_no_switch_is_planned_when_none_is_asked_for() -> None:
    assert plan_switch(None, None, SwitchConfig(), TEN_VALIDATIONS) is None


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([], None),
        ([5.0, 4.0, 3.0, 2.0], None),
        ([5.0, 4.0, 4.5], None),
        ([5.0, 4.0, 4.5, 4.0], 40),  # as low is not lower
        ([5.0, 4.0, 4.5, 4.1, 1.0, 0.5], 40),  # what comes later changes nothing
        ([5.0, 6.0, 4.0, 6.0, 3.0], None),
        ([8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 4.0], 70),
        ([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 4.0], None),  # step 80 is too late
    ],
)
def test_a_plateau_is_so_many_validations_without_a_lower_loss(losses: list[float], step: int | None) -> None:
    assert PLATEAU.step(losses) == step


def test_a_fixed_step_needs_no_losses() -> None:
    assert dataclasses.replace(PLATEAU, fixed_step=35).step([]) == 35


@pytest.mark.parametrize(
    ("to", "at", "config", "wanted"),
    [
        ("other", None, SwitchConfig(), "--switch_at is None; give both"),
        (None, 5, SwitchConfig(), "--switch_to is None, --switch_at is 5; give both"),
        (None, None, SwitchConfig(restart="both"), "give --switch_to and --switch_at, too"),
        ("other", "half", SwitchConfig(), "'half', wanted is a number of steps, epoch:N for .* or plateau"),
        ("other", "pass:3", SwitchConfig(), "'pass:3', wanted"),
        ("other", "epoch:", SwitchConfig(), "'epoch:', wanted"),
        ("other", -5, SwitchConfig(), "'?-5'?, wanted"),
        ("other", "²", SwitchConfig(), "'²', wanted"),
        ("other", 0, SwitchConfig(), "--switch_at 0; wanted is a switch after step 1 to 79"),
        # the last 3 of 10 validations are averaged: they come after steps 80, 90 and 100
        ("other", 80, SwitchConfig(), "--switch_at 80; wanted is a switch after step 1 to 79, so that"),
        ("other", "epoch:8", SwitchConfig(), "--switch_at epoch:8; wanted"),
        ("other", "plateau", SwitchConfig(patience=7), "after step 80 at the earliest; wanted"),
    ],
)
def test_a_switch_that_cannot_be_is_refused(
    to: str | None, at: int | str | None, config: SwitchConfig, wanted: str
) -> None:
    with pytest.raises(ConfigError, match=wanted):
        plan_switch(to and Path(to), at, config, TEN_VALIDATIONS)


def test_a_schedule_that_restarts_needs_steps_to_warm_up_in() -> None:
    training = dataclasses.replace(TEN_VALIDATIONS, warmup_steps=40)
    config = SwitchConfig(restart="schedule")
    planned = plan_switch(Path("other"), 59, config, training)
    assert planned and planned.step([]) == 59
    with pytest.raises(ConfigError, match="step 1 to 59, .* and a warm-up of 40 steps"):
        plan_switch(Path("other"), 60, config, training)


def test_patience_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="switch.patience must be at least 1, not 0"):
        SwitchConfig(patience=0)


# Batches


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Make the copy task, and tokens_other, where the same sources are to be written backwards."""
    folder = tmp_path_factory.mktemp("task")
    made = make_task(folder)
    sentences = make_sentences(200)
    write_other(folder, [(sentence, " ".join(reversed(sentence.split()))) for sentence in sentences])
    return {**made, "other": folder / "tokens_other"}


def write_other(folder: Path, pairs: list[tuple[str, str]], name: str = "other") -> Path:
    """Tokenise other pairs with the task's tokenisers."""
    write_pairs(folder / name, pairs)
    tokens = folder / f"tokens_{name}"
    write_tokens(folder / name, tokens, langs=["en", "de"], tokenizers=folder / "tokenizers")
    return tokens


def make_batches(task: dict[str, Any], *, accumulate: int = 1) -> tuple[TrainingBatches, TrainingBatches]:
    """Return the batches of both targets: 4 steps an epoch, 12 in all."""
    sides = [
        ParallelTokens(read_tokens(tokens, "en"), read_tokens(tokens, "de"))
        for tokens in (task["tokens"], task["other"])
    ]
    before, after = (
        TrainingBatches(
            side, batch_tokens=400, steps_per_epoch=4 * accumulate, max_steps=12 * accumulate, seed=1
        )
        for side in sides
    )
    return before, after


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("step", [3, 4, 6])
def test_batches_have_the_old_targets_up_to_the_switch_and_the_others_from_then_on(
    task: dict[str, Any], step: int, accumulate: int
) -> None:
    before, after = make_batches(task, accumulate=accumulate)
    switch = dataclasses.replace(PLATEAU, fixed_step=step)
    batches = SwitchedBatches(before, after, switch, accumulate=accumulate)
    found = [batch for epoch in (1, 2, 3) for batch in batches.build_iter(epoch)]
    wanted = [[batch for epoch in (1, 2, 3) for batch in one.build_iter(epoch)] for one in (before, after)]
    assert len(found) == 12 * accumulate
    for number, (rows, batch) in enumerate(found):
        assert (rows, batch["src_text"].tolist()) == (wanted[0][number][0], batch["src_text"].tolist())
        assert batch["src_text"].equal(wanted[0][number][1]["src_text"])
        chosen = wanted[number >= step * accumulate][number][1]
        assert batch["text"].equal(chosen["text"]) and batch["text_lengths"].equal(chosen["text_lengths"])
    assert any(not one[1]["text"].equal(other[1]["text"]) for one, other in zip(*wanted, strict=True))


def test_batches_keep_the_old_targets_until_a_plateau(task: dict[str, Any]) -> None:
    before, after = make_batches(task)
    batches = SwitchedBatches(before, after, dataclasses.replace(PLATEAU, validate_every=4), accumulate=1)
    rows = len(before.dataset)
    batches.valid_losses = [3.0, 3.0]
    assert all(batch.max() < rows for batch in batches.plan_epoch(3))
    batches.valid_losses = [3.0, 3.0, 3.0]  # a plateau after step 12, which is the end
    assert batches.step == 12
    assert all(batch.max() < rows for batch in batches.plan_epoch(3))


def test_either_tokens_number_the_second_set_on(task: dict[str, Any]) -> None:
    before, after = make_batches(task)
    dataset = SwitchedBatches(before, after, PLATEAU, accumulate=1).dataset
    (lengths,) = dataset.bucket_keys("src")
    assert len(lengths) == 400 and np.array_equal(lengths[:200], lengths[200:])
    assert dataset[np.array([203])][1]["text"].equal(after.dataset[[3]][1]["text"])


# Sources


def test_the_same_sources_with_other_targets_are_accepted(task: dict[str, Any]) -> None:
    refuse_other_sources(task["tokens"], task["other"], "en")


@pytest.mark.parametrize(
    ("count", "seed", "wanted"),
    [
        (198, 0, r"holds 198 sentences and .* 200, 2 of the ids .* the first is u000198; a switch"),
        (200, 7, "holds 200 sentences and .* 200, their sentences in 'en' differ"),
    ],
)
def test_other_sources_are_refused(
    task: dict[str, Any], tmp_path: Path, count: int, seed: int, wanted: str
) -> None:
    (tmp_path / "tokenizers").symlink_to(task["tokenizers"])
    pairs = [(sentence, "a cat") for sentence in make_sentences(count, seed=seed)]
    with pytest.raises(DataError, match=wanted):
        refuse_other_sources(task["tokens"], write_other(tmp_path, pairs), "en")


def test_other_sources_are_found_without_holding_the_ids(tmp_path: Path) -> None:
    """20,000 ids and 19,999 of them with one more, the first of which is in the first directory only."""
    ids = [f"u{number:06d}" for number in range(20_001)]
    for name, held in (("before", ids[:-1]), ("after", ids[1:])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ids.txt").write_text("".join(f"{one}\n" for one in held), encoding="utf-8")
        for table in ("en.offsets", "en.tokens"):
            (tmp_path / name / table).write_bytes(b"")
    wanted = "after holds 20,000 sentences and .*before 20,000, 2 of the ids .* only, the first is u000000;"
    tracemalloc.start()
    with pytest.raises(DataError, match=wanted):
        refuse_other_sources(tmp_path / "before", tmp_path / "after", "en")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000  # a list of them alone takes a million


def test_tokens_that_are_not_there_are_named(task: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere/ids.txt is not there"):
        refuse_other_sources(task["tokens"], tmp_path / "nowhere", "en")


# Measurements


@pytest.mark.parametrize(
    ("config", "after", "until", "steps"),
    [
        (DevBleuConfig(), 0, 100, []),
        (DevBleuConfig(every=4), 0, 12, [4, 8, 12]),
        (DevBleuConfig(every=4), 4, 11, [8]),
        (DevBleuConfig(every=4, first=8, last=12), 0, 100, [8, 12]),
        (DevBleuConfig(every=4, first=9, last=15), 0, 100, [12]),
        (DevBleuConfig(every=200), 0, 100, []),
    ],
)
def test_bleu_is_measured_at_multiples_within_bounds(
    config: DevBleuConfig, after: int, until: int, steps: list[int]
) -> None:
    assert config.steps(after, until) == steps


def test_measurements_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="dev_bleu.every must be 0 .never. or more, not -1"):
        DevBleuConfig(every=-1)
    with pytest.raises(ConfigError, match="dev_bleu.last 5 comes before dev_bleu.first 6"):
        DevBleuConfig(every=1, first=6, last=5)


def test_a_point_replaces_those_of_a_killed_run(tmp_path: Path) -> None:
    for step, bleu in [(2, 1.0), (4, 2.0), (6, 3.0), (4, 2.5)]:
        record_bleu(tmp_path, CurvePoint(step, bleu, "tokens_a"))
    assert read_curve(tmp_path) == [CurvePoint(2, 1.0, "tokens_a"), CurvePoint(4, 2.5, "tokens_a")]


def test_a_curve_that_is_not_there_or_no_curve_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev_bleu.csv: no BLEU by step .*; train with --dev_bleu.every"):
        read_curve(tmp_path)
    for text, wanted in [("step,bleu,targets\n", "has no row"), ("a,b\n1,2\n", "no BLEU by step")]:
        (tmp_path / "dev_bleu.csv").write_text(text)
        with pytest.raises(DataError, match=wanted):
            read_curve(tmp_path)


def test_references_come_back_from_the_tokens(task: dict[str, Any]) -> None:
    dev = DevBleu(task["valid_tokens"], src="en", tgt="de", tokenizer=task["tokenizers"] / "de.model")
    assert [dev.decode(source) for source in dev.sources] == make_sentences(20, seed=1)
    assert dev.bleu.corpus_score(make_sentences(20, seed=1), None).score == pytest.approx(100)


def test_tokens_that_lost_a_character_are_no_references(task: dict[str, Any], tmp_path: Path) -> None:
    tokens = read_tokens(task["valid_tokens"], "de")
    for path in task["valid_tokens"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ids = tokens.ids.copy()
    ids[5] = 1
    (tmp_path / "de.tokens").write_bytes(ids.tobytes())
    with pytest.raises(DataError, match="1 tokens of 'de' are unknown to the tokeniser, so the references"):
        DevBleu(tmp_path, src="en", tgt="de", tokenizer=task["tokenizers"] / "de.model")
