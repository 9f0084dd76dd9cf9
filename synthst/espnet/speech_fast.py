"""Give ESPnet's speech models the parts that train fastest, as `synthst.espnet.fast` does for text."""

from typing import Any

from synthst.espnet.lean import lean_imports

# isort: split
import torch
from espnet2.layers.time_warp import TimeWarp
from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule
from torch import Tensor

with lean_imports():
    from espnet2.asr.espnet_model import ESPnetASRModel
    from espnet2.st.espnet_model import ESPnetSTModel

from synthst.espnet.fast import FASTER, decoder_scores, speed_up
from synthst.espnet.fast_convolution import FastConvolution
from synthst.espnet.time_warp import FastTimeWarp


class FastSTModel(ESPnetSTModel):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's ST model with `decoder_scores`; its criterion_st is a `SmoothedCrossEntropy`."""

    def _calc_mt_att_loss(
        self,
        encoder_out: Tensor,
        encoder_out_lens: Tensor,
        ys_pad: Tensor,
        ys_pad_lens: Tensor,
        speech: Tensor | None,
        speech_lens: Tensor | None,
        st: bool = True,
    ) -> tuple[Tensor, Tensor, None]:
        """Return loss and accuracy, and no BLEU; a decoder that attends to speech as well is none of ours."""
        encoded = encoder_out, encoder_out_lens
        return *decoder_scores(self, self.criterion_st, *encoded, ys_pad, ys_pad_lens), None


class FastASRModel(ESPnetASRModel):  # type: ignore[misc]
    """ESPnet's ASR model with `decoder_scores`; its criterion_att is a `SmoothedCrossEntropy`."""

    def _calc_att_loss(
        self, encoder_out: Tensor, encoder_out_lens: Tensor, ys_pad: Tensor, ys_pad_lens: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        """Return loss and accuracy, and no error rates."""
        encoded = encoder_out, encoder_out_lens
        return *decoder_scores(self, self.criterion_att, *encoded, ys_pad, ys_pad_lens), None, None


FASTER_SPEECH = {
    **FASTER,
    ConvolutionModule: FastConvolution,
    TimeWarp: FastTimeWarp,
    ESPnetSTModel: FastSTModel,
    ESPnetASRModel: FastASRModel,
}


def speed_up_speech(model: Any) -> None:
    """Exchange ``model`` and its modules, and lay the images of its subsampling out with channels last."""
    speed_up(model, FASTER_SPEECH)
    if hasattr(model.encoder.embed, "conv"):
        model.encoder.embed.conv.to(memory_format=torch.channels_last)
