"""BLEU on the development set: how it is searched for."""

import unittest.mock
from types import SimpleNamespace
from typing import Any

import pytest

from synthst.espnet import dev_bleu
from synthst.espnet.options import SearchOptions
from synthst.teacher.espnet import BATCH_TOKENS


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_batches_of_a_greedy_search_are_a_teachers_on_that_device(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameter = SimpleNamespace(device=SimpleNamespace(type=device))
    model = SimpleNamespace(parameters=lambda: iter([parameter]), eval=lambda: None)
    search = unittest.mock.Mock(return_value=[])
    monkeypatch.setattr(dev_bleu, "search", search)
    dev: Any = object.__new__(dev_bleu.DevBleu)
    dev.sources, dev.bleu = [], unittest.mock.Mock()
    dev.bleu.corpus_score.return_value.score = 1.0
    dev.measure(model)
    search.assert_called_once_with(model, [], SearchOptions(beam=1, batch_tokens=BATCH_TOKENS[device]))
