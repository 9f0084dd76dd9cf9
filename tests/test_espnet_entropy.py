"""Entropies of next tokens: by hand for a table of probabilities, and as ESPnet computes step by step."""

import math

import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.mask import subsequent_mask
from espnet2.mt.espnet_model import ESPnetMTModel
from test_search import make_sources, tiny_model

from synthst.espnet import entropy
from synthst.espnet.entropy import chosen_prefix, entropy_of, measure_encoded, prefix_entropies
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.search import encode_sources, search

SOS = 3


class TableDecoder(torch.nn.Module):
    """A decoder whose next token depends on the last one only: its row of ``probabilities``."""

    def __init__(self, probabilities: list[list[float]]) -> None:
        super().__init__()
        self.table = torch.tensor(probabilities).log()
        self.output_layer = torch.nn.Linear(1, len(probabilities))

    def forward(
        self, encoded: torch.Tensor, lengths: torch.Tensor, tokens: torch.Tensor, token_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert len(encoded) == len(lengths) == len(tokens) == len(token_lengths)
        return self.table[tokens] + encoded[:, :1], token_lengths  # the same for all tokens: no change


BY_HAND = TableDecoder(
    [
        [0.25, 0.25, 0.25, 0.25],  # after token 0: log 4
        [0.5, 0.25, 0.25, 0.0],  # after token 1: 1.5 log 2
        [0.0, 0.0, 0.0, 1.0],  # after token 2: 0
        [0.5, 0.5, 0.0, 0.0],  # at the start: log 2
    ]
)
ENTROPIES = {0: math.log(4), 1: 1.5 * math.log(2), 2: 0.0, SOS: math.log(2)}


@pytest.mark.parametrize(
    ("probabilities", "wanted"),
    [
        ([0.25] * 4, math.log(4)),
        ([0.5, 0.25, 0.25, 0.0], 1.5 * math.log(2)),
        ([1.0, 0.0, 0.0], 0.0),
        ([1 / 32_000] * 32_000, math.log(32_000)),
        ([0.9, 0.1], -0.9 * math.log(0.9) - 0.1 * math.log(0.1)),
    ],
)
def test_entropy_is_in_nats_and_indifferent_to_a_constant(probabilities: list[float], wanted: float) -> None:
    logits = torch.tensor(probabilities).log()
    for shift in (0.0, 50.0, -300.0):
        assert float(entropy_of(logits + shift)) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("limit", [1, 24, 2**24])
def test_a_prefix_of_n_tokens_has_n_and_one_entropies(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(entropy, "LOGITS_AT_A_TIME", limit)  # one sentence, two, or all at a time
    prefixes = [[0, 1], [], [2, 2, 1, 0]]
    encoded, lengths = torch.zeros(3, 5, 1), torch.tensor([5, 2, 1])
    found = prefix_entropies(BY_HAND, encoded, lengths, prefixes, sos=SOS)
    wanted = [[ENTROPIES[token] for token in [SOS, *prefix]] for prefix in prefixes]
    assert [len(row) for row in found] == [3, 1, 5]
    for row, expected in zip(found, wanted, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)


def test_a_cut_off_translation_has_as_many_prefixes_as_tokens() -> None:
    finished = Hypothesis((5, 6, 7), -1.0, finished=True, ranked_by=-1.0)
    cut_off = Hypothesis((5, 6, 7), -1.0, finished=False, ranked_by=-1.0)
    assert chosen_prefix(finished) == (5, 6, 7)  # and with the empty one four: three tokens and the end
    assert chosen_prefix(cut_off) == (5, 6)  # three: as many as were chosen


@torch.no_grad()
def entropies_step_by_step(model: ESPnetMTModel, source: list[int], prefix: list[int]) -> list[float]:
    """Ask ESPnet's decoder for one token at a time, and sum in double precision."""
    encoded, _ = model.encode(torch.tensor([source]), torch.tensor([len(source)]))
    tokens, found = [model.sos, *prefix], []
    for length in range(1, len(tokens) + 1):
        mask = subsequent_mask(length).unsqueeze(0)
        log_probs, _ = model.decoder.forward_one_step(torch.tensor([tokens[:length]]), mask, encoded)
        found.append(-sum(math.exp(value) * value for value in log_probs[0].tolist()))
    return found


@pytest.mark.parametrize("kind", ["pre_norm", "post_norm"])
def test_entropies_in_a_batch_are_those_of_espnets_decoder_one_step_at_a_time(kind: str) -> None:
    model, sources, references = tiny_model(0, kind), make_sources(7, 3), make_sources(7, 4)
    options = SearchOptions(max_ratio=0, max_extra=6)
    hypotheses = [found[0] for found in search(model, sources, options)]
    assert len({hypothesis.finished for hypothesis in hypotheses}) == 2  # some are cut off, some not
    prefixes = [
        (reference, chosen_prefix(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    found = measure_encoded(model, *encode_sources(model, sources), prefixes)
    for source, pair, columns in zip(sources, prefixes, found, strict=True):
        for prefix, row in zip(pair, columns, strict=True):
            assert row == pytest.approx(entropies_step_by_step(model, source, list(prefix)), abs=1e-4)
