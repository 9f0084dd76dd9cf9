"""The learning rate by group, and the encoder that is frozen for a number of optimiser steps."""

from typing import Any

import pytest
import torch
from espnet2.schedulers.exponential_decay_warmup import ExponentialDecayWarmup

from synthst.espnet.speech_trainer import FreezingBatches, WarmupByGroup, set_frozen, split_encoder

SCHEDULE = {"max_lr": 0.1, "min_lr": 0.001, "total_steps": 9, "warmup_steps": 3, "warm_from_zero": True}


class Model(torch.nn.Module):
    """An encoder with dropout and batch normalisation, and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        layers = (torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
        self.encoder = torch.nn.Sequential(*layers)
        self.decoder = torch.nn.Linear(4, 2)


def make_optimizer(model: Model, factor: float) -> torch.optim.Optimizer:
    return split_encoder(torch.optim.Adam(model.parameters(), lr=0.1), model.encoder, factor)


def test_the_encoder_is_a_group_of_its_own() -> None:
    model = Model()
    others, encoder = make_optimizer(model, 0.1).param_groups
    assert {id(p) for p in encoder["params"]} == {id(p) for p in model.encoder.parameters()}
    assert {id(p) for p in others["params"]} == {id(p) for p in model.decoder.parameters()}
    assert encoder["learning_rate_factor"] == 0.1


def test_every_group_follows_espnets_schedule_times_its_factor() -> None:
    optimizer = make_optimizer(Model(), 0.25)
    ours = WarmupByGroup(optimizer, **SCHEDULE)
    other = torch.optim.Adam(Model().parameters(), lr=0.1)
    theirs = ExponentialDecayWarmup(other, **SCHEDULE)
    for _ in range(9):
        wanted = other.param_groups[0]["lr"]
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([wanted, wanted / 4])
        for one, schedule in ((optimizer, ours), (other, theirs)):
            one.step()
            schedule.step()


def test_a_frozen_encoder_computes_as_in_recognition() -> None:
    model = Model().train()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    set_frozen(model.encoder, True)
    x = torch.randn(5, 3)
    assert torch.equal(model.encoder(x), model.encoder(x))  # no dropout
    model.decoder(model.encoder(x)).sum().backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    set_frozen(model.encoder, False)
    model.decoder(model.encoder(x)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())
    assert not torch.equal(model.encoder[1].running_mean, before["1.running_mean"])


@pytest.mark.parametrize("frozen_steps", [0, 1, 2, 5])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_encoder_is_free_once_that_many_optimiser_steps_are_made(
    frozen_steps: int, accumulate: int
) -> None:
    model = Model().train()
    optimizer = make_optimizer(model, 1.0)
    scheduler = WarmupByGroup(optimizer, **SCHEDULE)
    loader: Any = [([], {})] * (4 * accumulate)
    frozen = []
    for epoch in range(2):
        if epoch:  # a resumed training begins with a scheduler that has been loaded
            states, scheduler = scheduler.state_dict(), WarmupByGroup(optimizer, **SCHEDULE)
            scheduler.load_state_dict(states)
        model.train()
        batches = FreezingBatches(loader, model.encoder, scheduler, frozen_steps)
        assert len(batches) == 4 * accumulate
        for number, _ in enumerate(batches, 1):
            frozen.append(not model.encoder.training)
            if number % accumulate == 0:
                optimizer.step()
                scheduler.step()
    assert frozen == [True] * frozen_steps * accumulate + [False] * (8 - frozen_steps) * accumulate
