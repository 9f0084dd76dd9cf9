"""Measure the entropy of a speech translator's next-token distributions (the paper's Table 8)."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from torch import Tensor

from synthst.errors import DataError
from synthst.espnet.entropy import SentenceEntropies, chosen_prefix, measure_encoded
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.speech_encoder import Samples, SpeechEncoder
from synthst.espnet.speech_load import TrainedSpeechModel
from synthst.espnet.speech_search import search_speech

Audio = Iterable[tuple[str, Samples]]
Window = list[tuple[str, Tensor]]


def speech_entropies(
    trained: TrainedSpeechModel,
    read_audio: Callable[[], Audio],
    references: Mapping[str, str],
    options: SearchOptions,
    *,
    rate: int = 16_000,
    batch_seconds: float = 120.0,
) -> Iterator[tuple[str, SentenceEntropies]]:
    """Yield (id, entropies) for every utterance, as `text_entropies` measures them.

    ``read_audio`` gives the audio, (id, samples), anew at each call: once to search, once to measure. An
    utterance too short for the model has no distribution and is left out. Raises DataError when an
    utterance has no reference.
    """
    hypotheses: dict[str, Hypothesis] = {}
    for found in search_speech(trained.model, read_audio(), options, rate=rate, batch_seconds=batch_seconds):
        if found.utterance not in references:
            raise DataError(f"{found.utterance} has audio and no reference; dump the audio of the same set")
        if not found.too_short:
            hypotheses[found.utterance] = found.hypotheses[0]
    encoder = SpeechEncoder(trained.model, torch.float32)
    for window in _windows(encoder, read_audio(), hypotheses, batch_seconds * rate):
        yield from _measure(trained, encoder, window, references, hypotheses)


def _windows(
    encoder: SpeechEncoder, audio: Audio, wanted: Mapping[str, Hypothesis], samples_in_window: float
) -> Iterator[Window]:
    """Gather the features of utterances until there are enough for a batch."""
    window: Window = []
    waiting = 0
    for utterance, samples in audio:
        features = encoder.features(utterance, samples) if utterance in wanted else None
        if features is None:
            continue
        window.append((utterance, features))
        waiting += len(samples)
        if waiting >= samples_in_window:
            yield window
            window, waiting = [], 0
    if window:
        yield window


def _measure(
    trained: TrainedSpeechModel,
    encoder: SpeechEncoder,
    window: Window,
    references: Mapping[str, str],
    hypotheses: Mapping[str, Hypothesis],
) -> Iterator[tuple[str, SentenceEntropies]]:
    names = [utterance for utterance, _ in window]
    encoded = encoder.encode([features for _, features in window])
    encode = trained.tgt_tokenizer.encode
    prefixes = [(encode(references[name]), chosen_prefix(hypotheses[name])) for name in names]
    for name, columns in zip(names, measure_encoded(trained.model, *encoded, prefixes), strict=True):
        reference, own = columns
        yield name, SentenceEntropies(reference, own, hypotheses[name].finished)
