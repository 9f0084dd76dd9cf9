"""Translate or transcribe a stream of utterances with an ESPnet encoder-decoder model, in batches."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from torch import Tensor

from synthst.errors import ConfigError
from synthst.espnet.beam import search_encoded
from synthst.espnet.encoder_pool import SpeechModel
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.search import plan_batches
from synthst.espnet.speech_encoder import Samples, SpeechEncoder, model_rate
from synthst.espnet.stepdecoder import StepDecoder

__all__ = ["FoundSpeech", "Hypothesis", "SearchOptions", "search_speech"]

logger = logging.getLogger(__name__)

BATCHES_IN_WINDOW = 16


class FoundSpeech(NamedTuple):
    """What the search found for one utterance."""

    utterance: str
    hypotheses: list[Hypothesis]
    """The n-best, best first; one empty hypothesis when the utterance is too short."""
    too_short: bool
    """True when the utterance has too few samples for the model's subsampling."""


@dataclass(frozen=True)
class _Utterance:
    name: str
    samples: int
    features: Tensor
    key: int
    """Decides the random choices of sampling."""


def search_speech(
    model: SpeechModel,
    audio: Iterable[tuple[str, Samples]],
    options: SearchOptions,
    *,
    rate: int = 16_000,
    batch_seconds: float = 120.0,
    encode_together: bool | None = None,
) -> Iterator[FoundSpeech]:
    """Yield what is found for each (id, samples) of ``audio``; the decoder is that of attention alone.

    ``audio`` may be of any length: utterances are read into a window of ``16 * batch_seconds``, sorted by
    length there and searched in batches of at most ``batch_seconds``, padding included, or one utterance.
    So results come out of order, each with its id. The maximum length counts the encoder's frames, of which
    there are many more than tokens: a ``max_ratio`` of about 0.5 suits four-fold subsampling. A batch is
    measured in seconds, so ``batch_tokens`` is not used. ``encode_together``: see `SpeechEncoder`.
    On a CPU, where a batch is encoded while the one before is searched, torch has fewer threads between
    results, see `EncoderPool`, and as many as before at the end.
    Raises DataError for samples that are no audio, ConfigError for a model or options that cannot be served.
    """
    encoder = SpeechEncoder(model, getattr(torch, options.dtype), together=encode_together)
    decoder = StepDecoder(model.decoder, encoder.dtype)
    if model_rate(model) not in (None, rate):
        raise ConfigError(
            f"the model reads audio of {model_rate(model)} Hz, this is of {rate} Hz; resample it"
        )
    return _search_windows(encoder, decoder, audio, options, max(1, int(batch_seconds * rate)))


def _search_windows(
    encoder: SpeechEncoder,
    decoder: StepDecoder,
    audio: Iterable[tuple[str, Samples]],
    options: SearchOptions,
    batch_samples: int,
) -> Iterator[FoundSpeech]:
    window: list[_Utterance] = []
    waiting = 0
    for name, samples in audio:
        features = encoder.features(name, samples)
        if features is None:
            logger.warning("%s: %d samples are too few for the model, it gets no text", name, len(samples))
            yield FoundSpeech(name, [Hypothesis((), 0.0, finished=True, ranked_by=0.0)], too_short=True)
            continue
        window.append(_Utterance(name, len(samples), features, _key(samples) if options.sampling else 0))
        waiting += len(samples)
        if waiting >= BATCHES_IN_WINDOW * batch_samples:
            yield from _search_window(encoder, decoder, window, options, batch_samples)
            window, waiting = [], 0
    yield from _search_window(encoder, decoder, window, options, batch_samples)


def _search_window(
    encoder: SpeechEncoder,
    decoder: StepDecoder,
    window: list[_Utterance],
    options: SearchOptions,
    batch_samples: int,
) -> Iterator[FoundSpeech]:
    model = encoder.model
    plan = plan_batches([one.samples for one in window], batch_samples)
    batches = [[window[index] for index in indices] for indices in plan]
    encodings = encoder.encode_batches([one.features for one in batch] for batch in batches)
    for batch, (encoded, lengths) in zip(batches, encodings, strict=True):
        keys = torch.tensor([one.key for one in batch]) if options.sampling else None
        found = search_encoded(decoder, encoded, lengths, options, sos=model.sos, eos=model.eos, keys=keys)
        for one, hypotheses in zip(batch, found, strict=True):
            yield FoundSpeech(one.name, hypotheses, too_short=False)


def _key(samples: Samples) -> int:
    """Hash the samples to an int64, so that the choices do not depend on the other utterances."""
    return int.from_bytes(blake2b(samples.tobytes(), digest_size=8).digest(), "little", signed=True)
