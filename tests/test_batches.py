"""Batches: the same sequence for the same seed, every sentence once a pass, within the budget."""

from typing import Any

import numpy as np
import pytest
import torch

from synthst.errors import ConfigError
from synthst.espnet.batches import (
    ParallelTokens,
    TrainingBatches,
    ValidationBatches,
    cut_batches,
    pad,
    plan_pass,
)
from synthst.espnet.team import SHARE, Part, PartsOfBatches, Team
from synthst.tokens import TokenArray

BUDGET = 200
Batches = list[tuple[list[str], dict[str, torch.Tensor]]]


def make_array(lengths: np.ndarray, seed: int = 0) -> TokenArray:
    """Make random tokens of the given lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(seed).integers(2, 100, offsets[-1]).astype(np.uint16)
    return TokenArray(ids, offsets)


def draw_lengths(count: int = 300, seed: int = 0) -> np.ndarray:
    """Draw source lengths from 1 to 40."""
    return np.random.default_rng(seed).integers(1, 41, count)


def make_pairs(count: int = 300, *, target_seed: int = 1) -> ParallelTokens:
    return ParallelTokens(make_array(draw_lengths(count)), make_array(draw_lengths(count, target_seed)))


def make_batches(pairs: ParallelTokens, **options: Any) -> TrainingBatches:
    settings: dict[str, Any] = {
        "batch_tokens": BUDGET,
        "steps_per_epoch": 10,
        "max_steps": 1000,
        "seed": 1,
        **options,
    }
    return TrainingBatches(pairs, **settings)


def read(batches: TrainingBatches, epoch: int) -> Batches:
    return list(batches.build_iter(epoch))


def assert_same(ours: Batches, wanted: Batches) -> None:
    assert [keys for keys, _ in ours] == [keys for keys, _ in wanted]
    for (_, mine), (_, theirs) in zip(ours, wanted, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_batches(workers: int) -> None:
    pairs = make_pairs()
    assert_same(read(make_batches(pairs, workers=workers), 3), read(make_batches(pairs), 3))


def test_the_seed_alone_determines_the_sequence() -> None:
    pairs = make_pairs()
    first, again, other = (make_batches(pairs, seed=seed) for seed in (1, 1, 2))
    for epoch in (1, 2, 3):
        assert_same(read(first, epoch), read(again, epoch))
    assert [keys for keys, _ in read(first, 1)] != [keys for keys, _ in read(other, 1)]


def test_students_of_other_targets_share_every_batch() -> None:
    one, other = (make_batches(make_pairs(target_seed=seed)) for seed in (1, 2))
    for epoch in (1, 4):
        for (keys, batch), (other_keys, other_batch) in zip(
            read(one, epoch), read(other, epoch), strict=True
        ):
            assert keys == other_keys
            assert torch.equal(batch["src_text"], other_batch["src_text"])


def test_every_sentence_comes_once_a_pass_and_passes_differ() -> None:
    lengths = draw_lengths()
    passes = [plan_pass([lengths], BUDGET, 1, number) for number in (0, 1)]
    for batches in passes:
        assert sorted(np.concatenate(batches)) == list(range(300))
    assert {tuple(sorted(batch)) for batch in passes[0]} != {tuple(sorted(batch)) for batch in passes[1]}
    assert len(passes[0]) == len(passes[1])


def test_epochs_continue_the_pass_and_cross_into_the_next_one() -> None:
    batches = make_batches(make_pairs(), steps_per_epoch=7)
    a_pass = batches.count_batches(0)  # of the only window
    epochs = -(-3 * a_pass // 7)
    rows = [tuple(batch) for epoch in range(1, epochs + 1) for batch in batches.plan_epoch(epoch)]
    keys = batches.dataset.bucket_keys("src")
    wanted = [tuple(b) for number in range(3) for b in plan_pass(keys, BUDGET, 1, number)]
    assert rows[: 3 * a_pass] == wanted
    assert all(len(batches.plan_epoch(epoch)) == 7 for epoch in range(1, epochs + 1))


def test_an_epoch_longer_than_several_passes_holds_them_all() -> None:
    batches = make_batches(make_pairs(20), steps_per_epoch=50)
    assert len(batches.plan_epoch(1)) == 50
    assert batches.count_batches(0) < 20


def test_the_last_epoch_ends_at_the_last_step() -> None:
    batches = make_batches(make_pairs(), steps_per_epoch=10, max_steps=23)
    assert [len(batches.plan_epoch(epoch)) for epoch in (1, 2, 3, 4)] == [10, 10, 3, 0]


def test_an_epoch_is_the_same_whether_or_not_others_came_before_it() -> None:
    pairs = make_pairs()
    unbroken, resumed = make_batches(pairs), make_batches(pairs)
    for epoch in (1, 2, 3):
        read(unbroken, epoch)
    assert_same(read(resumed, 4), read(unbroken, 4))


def test_batches_stay_within_the_budget_and_hold_little_padding() -> None:
    lengths = draw_lengths(5_000)
    batches = plan_pass([lengths], 1_000, 1, 0)
    positions = [len(batch) * (lengths[batch].max() + 1) for batch in batches]
    assert max(positions) <= 1_000
    assert sum(positions) < 1.02 * (lengths + 1).sum()
    assert np.median(positions) > 900


def test_a_sentence_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    assert cut_batches(np.array([1, 2, 50, 60]), 10).tolist() == [0, 2, 3, 4]


def test_borders_by_hand() -> None:
    # with <sos/eos>: 2 2 3 4 4 positions; three of 3 fill 9, a fourth of 4 would need 16
    assert cut_batches(np.array([1, 1, 2, 3, 3]), 10).tolist() == [0, 3, 5]
    assert cut_batches(np.array([4]), 10).tolist() == [0, 1]


def test_a_batch_holds_the_tokens_of_its_rows_and_minus_one_behind_them() -> None:
    pairs = make_pairs()
    for keys, batch in read(make_batches(pairs), 1):
        for side, array in (("src_text", pairs.src), ("text", pairs.tgt)):
            for key, ids, length in zip(keys, batch[side], batch[f"{side}_lengths"], strict=True):
                assert ids[:length].tolist() == array[int(key)].tolist()
                assert (ids[length:] == -1).all()


def test_padding_by_hand() -> None:
    ids, lengths = pad([np.array([5, 6], np.uint16), np.array([7], np.uint16)])
    assert ids.tolist() == [[5, 6], [7, -1]] and lengths.tolist() == [2, 1]
    assert ids.dtype == lengths.dtype == torch.int64


def test_validation_holds_every_sentence_once_in_the_same_order() -> None:
    batches = ValidationBatches(make_pairs(), batch_tokens=BUDGET)
    first, second = (list(batches.build_iter(epoch)) for epoch in (1, 2))
    assert_same(first, second)
    assert sorted(int(key) for keys, _ in first for key in keys) == list(range(300))


# Several processes


@pytest.mark.parametrize(
    ("ranks", "batches_per_step", "at_a_time", "rounds"),
    [
        (1, 16, 1, 16),
        (4, 16, 4, 4),
        (16, 16, 16, 1),
        (32, 16, 16, 1),
        (3, 16, 1, 16),
        (6, 4, 2, 2),
        (2, 1, 1, 1),
    ],
)
def test_a_step_has_the_same_batches_on_any_number_of_processes(
    ranks: int, batches_per_step: int, at_a_time: int, rounds: int
) -> None:
    epoch = make_batches(make_pairs(), steps_per_epoch=2 * batches_per_step).plan_epoch(1)
    team = Team(0, ranks, batches_per_step)
    assert (team.batches_at_a_time, team.rounds) == (at_a_time, rounds)
    parts = [Team(rank, ranks, batches_per_step).parts(epoch) for rank in range(ranks)]
    assert {len(mine) for mine in parts} == {2 * rounds}
    for step in range(2):
        wanted = np.concatenate(epoch[step * batches_per_step : (step + 1) * batches_per_step])
        taken = [part for mine in parts for part in mine[step * rounds : (step + 1) * rounds]]
        assert sorted(np.concatenate([part.rows for part in taken if part.weight])) == sorted(wanted)


def test_parts_by_hand() -> None:
    batches = [np.array([10, 11, 12]), np.array([20]), np.array([30, 31]), np.array([40, 41])]
    # four processes, two batches a step: 0 and 1 share the first of a step, 2 and 3 the second
    found = [[part.rows.tolist() for part in Team(rank, 4, 2).parts(batches)] for rank in range(4)]
    assert found == [[[10, 12], [30]], [[11], [31]], [[20], [40]], [[20], [41]]]
    weights = [[part.weight for part in Team(rank, 4, 2).parts(batches)] for rank in range(4)]
    assert weights == [[1, 1], [1, 1], [1, 1], [0, 1]]  # the fourth has no row of its own of [20]


def test_a_part_weighs_as_much_as_its_target_tokens() -> None:
    pairs = ParallelTokens(make_array(np.array([1, 1, 1, 1])), make_array(np.array([3, 0, 5, 8])))
    whole = np.array([0, 1, 2, 3])  # 4, 1, 6 and 9 target tokens with the ends of sentences, 20 in all
    _, batch = PartsOfBatches(pairs)[Part(whole[0::2], whole, 1.0)]
    assert batch[SHARE].tolist() == pytest.approx([10 / 20])
    _, batch = PartsOfBatches(pairs)[Part(whole[1::2], whole, 4.0)]
    assert batch[SHARE].tolist() == pytest.approx([4 * 10 / 20])
    _, batch = PartsOfBatches(pairs)[Part(whole, whole, 1.0)]
    assert batch[SHARE].tolist() == [1.0] and batch["text"].shape == (4, 8)


@pytest.mark.parametrize("ranks", [2, 3])
def test_validation_of_several_processes_holds_every_sentence_once(ranks: int) -> None:
    pairs = make_pairs()
    teams = [ValidationBatches(pairs, batch_tokens=BUDGET, team=Team(rank, ranks)) for rank in range(ranks)]
    whole = ValidationBatches(pairs, batch_tokens=BUDGET)
    for (keys, _), *parts in zip(*(team.build_iter(1) for team in (whole, *teams)), strict=True):
        assert sorted(key for names, batch in parts if batch[SHARE] for key in names) == sorted(keys)
        assert sum(float(batch[SHARE]) for _, batch in parts) == pytest.approx(len(keys))


def test_a_process_reads_tokens_of_its_own_parts_only() -> None:
    pairs, read_rows = make_pairs(), set()

    class Watched(TokenArray):
        def __getitem__(self, row: int) -> np.ndarray:
            read_rows.add(int(row))
            return super().__getitem__(row)

    watched = ParallelTokens(Watched(pairs.src.ids, pairs.src.offsets), pairs.tgt)
    team = Team(1, 4, 4)
    batches = make_batches(watched, steps_per_epoch=8, team=team)
    assert len(read(batches, 1)) == 2
    assert read_rows == {int(row) for part in team.parts(batches.plan_epoch(1)) for row in part.rows}


def test_more_processes_than_sentences_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 sentences cannot be spread over 3 processes"):
        make_batches(make_pairs(2), team=Team(0, 3))


def test_arrays_of_different_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="hold 3 and 4 sentences"):
        ParallelTokens(make_array(np.array([1, 2, 3])), make_array(np.array([1, 2, 3, 4])))


def test_batches_by_both_sides_stay_within_the_budget_and_pad_less() -> None:
    lengths = draw_lengths(3_000)
    pairs = ParallelTokens(make_array(lengths), make_array(lengths + draw_lengths(3_000, 1) // 2))
    src, tgt = pairs.src.lengths(), pairs.tgt.lengths()

    def positions(keys: list[np.ndarray]) -> np.ndarray:
        batches = plan_pass(keys, 1_000, 1, 0)
        assert sorted(np.concatenate(batches).tolist()) == list(range(3_000))
        longest = [[side[batch].max() + 1 for side in (src, tgt)] for batch in batches]
        return np.array(longest) * np.array([[len(batch)] for batch in batches])

    by_src, by_both = (positions(pairs.bucket_keys(bucket_by)) for bucket_by in ("src", "both"))
    assert by_both.max() <= 1_000
    assert by_src[:, 1].max() > 1_000
    assert by_both[:, 1].sum() < 0.9 * by_src[:, 1].sum()
