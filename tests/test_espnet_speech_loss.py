"""The CTC loss per token against ESPnet's, and the recordings that it cannot align."""

import itertools

import numpy as np
import torch
from espnet2.asr.ctc import CTC

from synthst.espnet.speech_loss import count_unalignable, ctc_per_token
from synthst.tokens import TokenArray

FRAMES, TOKENS = torch.tensor([7, 5, 2]), torch.tensor([3, 1, 2])


def make_inputs() -> tuple[CTC, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    tokens = torch.tensor([[4, 5, 6], [7, -1, -1], [3, 8, -1]])
    return CTC(odim=9, encoder_output_size=4), torch.randn(3, 7, 4, requires_grad=True), tokens


def test_the_loss_is_espnets_times_utterances_over_tokens() -> None:
    ctc, encoded, tokens = make_inputs()
    ours = ctc_per_token(ctc, encoded, FRAMES, tokens, TOKENS)
    theirs = ctc(encoded, FRAMES, tokens, TOKENS)
    torch.testing.assert_close(ours, theirs * 3 / 6)
    (gradient,) = torch.autograd.grad(ours, encoded)
    (wanted,) = torch.autograd.grad(theirs * 3 / 6, encoded)
    torch.testing.assert_close(gradient, wanted)


def test_the_loss_is_float32_under_autocast() -> None:
    ctc, encoded, tokens = make_inputs()
    with torch.autocast("cpu", torch.bfloat16):
        loss = ctc_per_token(ctc, encoded, FRAMES, tokens, TOKENS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ctc_per_token(ctc, encoded, FRAMES, tokens, TOKENS), rtol=0.02, atol=0)


def test_an_utterance_with_more_tokens_than_frames_counts_nothing() -> None:
    ctc, encoded, tokens = make_inputs()
    loss = ctc_per_token(ctc, encoded, torch.tensor([7, 5, 1]), tokens, TOKENS)
    others = ctc_per_token(ctc, encoded[:2], FRAMES[:2], tokens[:2], TOKENS[:2])
    torch.testing.assert_close(loss * 6, others * 4)


def test_unalignable_recordings_are_those_with_no_path() -> None:
    """All paths are tried: one is an alignment when, without repeats and blanks, it is the row."""
    sentences = [[2, 2], [2, 3], [2], [], [3, 3, 3]]
    offsets = np.cumsum([0, *map(len, sentences)])
    array = TokenArray(np.array(list(itertools.chain(*sentences)), np.uint16), offsets)
    for row, sentence in enumerate(sentences):
        for frames in range(1, 6):
            paths = itertools.product((0, 2, 3), repeat=frames)
            written = ([key for key, _ in itertools.groupby(path) if key] for path in paths)
            found = count_unalignable(array, np.array([row]), np.array([frames]))
            assert found == (sentence not in written)
    assert count_unalignable(array, np.array([0, 0, 4, 2]), np.array([2, 3, 4, 1])) == 2
