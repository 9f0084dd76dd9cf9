"""Parameters and floating-point operations of models, by formula.

A token that passes through a matrix of P parameters costs 2 P operations forward and 4 P backward (Kaplan et
al. 2020, "Scaling Laws for Neural Language Models", section 2.1). What is left out: attention scores, which
for sentences of tens of tokens are a few per cent, norms, biases, and the convolutions that subsample speech.
"""

from dataclasses import dataclass

from synthst.espnet.config import ModelConfig
from synthst.espnet.speech_config import SpeechModelConfig

SPEECH_TOKENS_PER_SECOND = 4.0
"""Of a translation or transcript, about 2.5 words."""


@dataclass(frozen=True)
class Parts:
    """Matrices that each source position, and each target position, passes; embeddings are only looked up."""

    encoder: float
    decoder: float
    output: float
    embeddings: float

    @property
    def parameters(self) -> float:
        """Return the parameters in all, norms and biases left out."""
        return self.encoder + self.decoder + self.output + self.embeddings

    def train_flops(self, src: float, tgt: float) -> float:
        """Return the operations of a training step on ``src`` and ``tgt`` positions."""
        return 6 * (self.encoder * src + (self.decoder + self.output) * tgt)

    def decode_flops(self, src: float, tgt: float, beam: int) -> float:
        """Return the operations of a beam search that reads ``src`` and writes ``tgt`` tokens."""
        return 2 * (self.encoder * src + beam * (self.decoder + self.output) * tgt)


def text_parts(model: ModelConfig, vocabulary: int) -> Parts:
    """Count a Transformer's matrices: attention 4 width^2, feed-forward 2 width x feedforward."""
    width, forward = model.width, 2 * model.width * model.feedforward
    matrix = vocabulary * width
    return Parts(
        encoder=model.encoder_layers * (4 * width**2 + forward),
        decoder=model.decoder_layers * (8 * width**2 + forward),
        output=matrix,
        embeddings=0 if model.tied_embeddings else 2 * matrix,
    )


def speech_parts(model: SpeechModelConfig, vocabulary: int) -> Parts:
    """Count a Conformer's matrices: two feed-forwards, attention 5 width^2, convolution 3 width^2."""
    width, forward = model.width, 2 * model.width * model.feedforward
    return Parts(
        encoder=model.encoder_layers * (2 * forward + 8 * width**2),
        decoder=model.decoder_layers * (8 * width**2 + forward),
        output=vocabulary * width,
        embeddings=vocabulary * width,
    )


def frames_per_second(model: SpeechModelConfig) -> float:
    """Return how many frames the encoder has for a second of audio."""
    return 1000 / (model.hop_ms * model.subsampling)
