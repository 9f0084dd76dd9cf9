"""Give ESPnet's models the parts that train fastest; what they compute stays the same, but for rounding.

Modules change their class and nothing else: names, parameters and options are ESPnet's, so a checkpoint of
the one is a checkpoint of the other.
"""

from collections.abc import Mapping
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
    RelPositionMultiHeadedAttention,
)
from espnet2.mt.espnet_model import ESPnetMTModel
from torch import Tensor
from torch.nn import functional

from synthst.espnet.attention import FastAttention, FastRelPositionAttention
from synthst.espnet.dropout import FastDropout
from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.output_loss import OutputLoss, Scores
from synthst.espnet.unpadded import decoder_states, find_places

Kinds = Mapping[type[torch.nn.Module], type[torch.nn.Module]]


class FastMTModel(ESPnetMTModel):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's MT model with `decoder_scores`; its criterion_mt is a `SmoothedCrossEntropy`."""

    def _extract_feats(self, src_text: Tensor, src_text_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embed ``<sos>`` and the source, (batch, length + 1, width); ESPnet loops over the sentences."""
        given = begin(src_text, self.src_sos, self.src_eos, self.ignore_id)
        result: tuple[Tensor, Tensor] = self.frontend(given, src_text_lengths + 1)
        return result

    def _calc_mt_att_loss(
        self, encoder_out: Tensor, encoder_out_lens: Tensor, ys_pad: Tensor, ys_pad_lens: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """Return loss and accuracy, and no BLEU."""
        encoded = encoder_out, encoder_out_lens
        return *decoder_scores(self, self.criterion_mt, *encoded, ys_pad, ys_pad_lens), None


FASTER: Kinds = {
    torch.nn.Dropout: FastDropout,
    MultiHeadedAttention: FastAttention,
    RelPositionMultiHeadedAttention: FastRelPositionAttention,
    ESPnetMTModel: FastMTModel,
}
"""Modules, exactly of these kinds, and what they become."""


def speed_up(model: torch.nn.Module, kinds: Kinds = FASTER) -> None:
    """Exchange ``model``, built by one of our tasks, and the modules inside that are of these kinds."""
    for module in model.modules():
        module.__class__ = kinds.get(type(module), type(module))


def begin(texts: Tensor, start: int, end: int, ignore_id: int) -> Tensor:
    """Return (batch, length + 1): ``start``, then texts (batch, length), with ``end`` in place of padding."""
    given = functional.pad(texts, (1, 0), value=start)
    return given.masked_fill(given == ignore_id, end)


def decoder_scores(
    model: Any,
    criterion: SmoothedCrossEntropy,
    encoded: Tensor,
    encoded_lengths: Tensor,
    texts: Tensor,
    lengths: Tensor,
) -> Scores:
    """Return the loss and accuracy of what ``model``'s decoder predicts of ``texts`` (batch, length)."""
    given = begin(texts, model.sos, model.eos, criterion.ignore_id)
    places = find_places(lengths + 1, given.size(1))
    states = decoder_states(model.decoder, encoded, encoded_lengths, given, places)
    wanted = functional.pad(texts, (0, 1)).scatter(1, lengths.unsqueeze(1), model.eos)
    return OutputLoss(criterion)(states, model.decoder.output_layer, wanted.flatten()[places.where])
