"""bfloat16 on a GPU, as our trainer hands it to ESPnet's."""

import unittest.mock
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from espnet2.train.trainer import Trainer

from synthst.espnet.bfloat16 import in_bfloat16
from synthst.espnet.task import ResumableTrainer


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch.autocast believe in a GPU."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_: True)


class Model(torch.nn.Module):
    """Tell the type that a GPU would multiply in, or None for the tensors' own."""

    def forward(self) -> torch.dtype | None:
        return torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None


@pytest.mark.usefixtures("a_gpu")
@pytest.mark.parametrize(("scaler", "computes_in"), [(object(), torch.bfloat16), (None, None)])
def test_the_trainer_computes_in_bfloat16_and_scales_no_loss(
    scaler: object, computes_in: torch.dtype | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ESPnet's trainer makes a scaler for mixed precision; a checkpoint of one that had states has them."""
    seen: list[Any] = []

    def train(*, model: Any, scaler: object, **_: Any) -> bool:
        with torch.autocast("cuda", enabled=scaler is not None):  # as ESPnet's does
            seen.append((model(), scaler))
        return False

    monkeypatch.setattr(Trainer, "train_one_epoch", train)
    monkeypatch.setattr("synthst.espnet.task.record_losses", unittest.mock.Mock())
    options = SimpleNamespace(output_dir=str(tmp_path), batches_per_step=1, accum_grad=1)
    model = Model()
    ResumableTrainer.train_one_epoch(
        options=options, model=model, scaler=scaler, iterator=[], reporter=unittest.mock.Mock()
    )
    assert seen == [(computes_in, None)]
    assert model() is None  # a validation has its own autocast


@pytest.mark.usefixtures("a_gpu")
def test_each_process_of_several_computes_in_bfloat16() -> None:
    parallel = SimpleNamespace(module=Model())
    with in_bfloat16(parallel, enabled=True):
        assert parallel.module() is torch.bfloat16
    assert parallel.module() is None
