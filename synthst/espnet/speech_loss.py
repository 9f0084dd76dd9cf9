"""The CTC loss per token, in float32."""

from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from synthst.tokens import TokenArray


class HasOutputLayer(Protocol):
    """ESPnet's CTC module: ``ctc_lo`` gives the logits (batch, frames, vocabulary)."""

    ctc_lo: torch.nn.Linear


def ctc_per_token(
    ctc: HasOutputLayer,
    encoded: torch.Tensor,
    encoded_lengths: torch.Tensor,
    tokens: torch.Tensor,
    token_lengths: torch.Tensor,
) -> torch.Tensor:
    """Return the mean over tokens, in nats: encoded (batch, frames, size), tokens (batch, length).

    ESPnet's is the mean over utterances of sums over their tokens, and in the encoder's type, which is
    bfloat16 under autocast. Per token it has the scale of the decoder's loss, however long utterances are. An
    utterance with more tokens than frames has no alignment and counts 0.
    """
    log_probabilities = ctc.ctc_lo(encoded).float().log_softmax(-1).transpose(0, 1)
    total = functional.ctc_loss(
        log_probabilities,
        tokens.clamp(min=0),
        encoded_lengths,
        token_lengths,
        reduction="sum",
        zero_infinity=True,
    )
    return total / token_lengths.sum()


def count_unalignable(transcripts: TokenArray, rows: np.ndarray, frames: np.ndarray) -> int:
    """Count recordings with fewer ``frames`` (recordings,) than CTC needs for their row of ``transcripts``.

    It needs one for each token, and one more between two equal tokens. Graves et al. 2006, section 3.1.
    """
    ids, offsets = np.asarray(transcripts.ids), np.asarray(transcripts.offsets)
    equal = np.zeros(len(ids) + 1, np.int64)
    equal[1:-1] = ids[1:] == ids[:-1]
    equal[offsets] = 0  # across two sentences
    sums = np.cumsum(equal)
    sums = np.concatenate([[0], sums])
    needed = np.diff(offsets) + sums[offsets[1:]] - sums[offsets[:-1]]
    return int(np.count_nonzero(needed[rows] > frames))
