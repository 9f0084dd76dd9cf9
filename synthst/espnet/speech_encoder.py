"""Run an ESPnet speech model up to its decoder, so that no utterance's result depends on its batch.

Features are made one utterance at a time: the short-time Fourier transform mirrors the end of its input,
which in a padded batch would be silence. Encoders read padded batches only on a GPU, and only where a trial
shows that padding changes nothing (with relative positions of the "legacy" kind it does). On a CPU an
utterance per thread is faster than a padded batch.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import check_short_utt
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from synthst.errors import ConfigError, DataError
from synthst.espnet.cpu_layers import with_cpu_layers
from synthst.espnet.encoder_pool import EncoderPool, SpeechModel

logger = logging.getLogger(__name__)

Samples = np.ndarray[Any, np.dtype[np.float32]]

TRIAL_FRAMES = (64, 45)
LARGEST_TRIAL_DIFFERENCE = 1e-3


class SpeechEncoder:
    """The part of ``model`` before its decoder, in ``dtype`` by autocast.

    ``together`` asks for padded batches, by default where the model is on a GPU; the attribute of that name
    says whether they are used. On a CPU the encoder is a copy with faster layers, which runs on as many
    threads as torch has when the first batch comes.
    """

    def __init__(
        self, model: SpeechModel, dtype: torch.dtype = torch.float32, *, together: bool | None = None
    ) -> None:
        check_speech_model(model)
        self.model, self.dtype = model, dtype
        self.device = next(model.parameters()).device
        self._after_features = _without_frontend(model)
        self.fewest_samples = _fewest_samples(model)
        wanted = self.device.type != "cpu" if together is None else together
        self.together = wanted and self._padding_changes_nothing()
        logger.info("the encoder reads %s", "padded batches" if self.together else "single utterances")
        if self.device.type == "cpu":
            self._after_features.encoder = with_cpu_layers(model.encoder, dtype)
        self._pool: EncoderPool | None = None

    @torch.inference_mode()
    def features(self, utterance: str, samples: Samples) -> Tensor | None:
        """Return the normalised features (frames, size) of ``samples``, or None when there are too few.

        ``samples`` (samples,) are float, in -1..1, at the model's rate. Raises DataError, which names
        ``utterance``, for others.
        """
        check_samples(utterance, samples)
        if len(samples) < self.fewest_samples:
            return None
        speech = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)).to(self.device)
        lengths = torch.tensor([len(samples)], device=self.device)
        features, lengths = self.model._extract_feats(speech.unsqueeze(0), lengths)
        if self.model.normalize is not None:
            features, lengths = self.model.normalize(features, lengths)
        too_short, _ = check_short_utt(getattr(self.model.encoder, "embed", None), features.size(1))
        return None if too_short else features[0]

    def encode(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the encoder's output (utterances, longest, size) and its lengths (utterances,)."""
        return next(self.encode_batches([features]))

    def encode_batches(self, batches: Iterable[Sequence[Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what `encode` returns for each batch; on a CPU's threads the next one is begun before."""
        if self.together:
            yield from map(self._encode_padded, batches)
            return
        for encoded in self._encode_singly(batches):
            lengths = torch.tensor([len(one) for one in encoded], device=self.device)
            yield pad_sequence(encoded, batch_first=True), lengths

    def _encode_singly(self, batches: Iterable[Sequence[Tensor]]) -> Iterator[list[Tensor]]:
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        if threads > 1:
            self._pool = self._pool or EncoderPool(self._encode_one, self._after_features, threads)
            yield from self._pool.encode_batches(batches)
            return
        for features in batches:
            yield [self._encode_one(self._after_features, one) for one in features]

    def _encode_one(self, model: SpeechModel, features: Tensor) -> Tensor:
        return _encode(model, [features], self.dtype)[0][0]

    def _encode_padded(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return _encode(self._after_features, features, self.dtype)

    @torch.inference_mode()
    def _padding_changes_nothing(self) -> bool:
        """Try with noise: encode two utterances together and alone, in float32."""
        noise, size = torch.Generator().manual_seed(0), self.model.frontend.output_size()
        features = [torch.randn(n, size, generator=noise).to(self.device) for n in TRIAL_FRAMES]
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            together, lengths = _encode(self._after_features, features, torch.float32)
            alone = [_encode(self._after_features, [one], torch.float32)[0][0] for one in features]
        if lengths.tolist() != [len(one) for one in alone]:
            return False
        differences = [float((a - t[: len(a)]).abs().max()) for a, t in zip(alone, together, strict=True)]
        return max(differences) <= LARGEST_TRIAL_DIFFERENCE * float(alone[0].abs().max())


def check_speech_model(model: SpeechModel) -> None:
    """Raise ConfigError for a model that is not one encoder over audio and one attention decoder."""
    if model.training:
        raise ConfigError(
            "the model is in training mode, where dropout is on; call model.eval() before the search"
        )
    if model.frontend is None:
        raise ConfigError("the model has no frontend: it reads features, and this search reads audio")
    if getattr(model, "decoder", None) is None:
        raise ConfigError("the model has no attention decoder; decode it with ESPnet's own inference")
    if getattr(model, "use_multidecoder", False):
        raise ConfigError(
            "the model decodes in two passes (md_encoder); decode it with ESPnet's own inference"
        )


def check_samples(utterance: str, samples: Samples) -> None:
    """Raise DataError for samples that are not one channel of finite floats."""
    if samples.ndim != 1:
        raise DataError(f"{utterance}: wanted one channel of samples, found the shape {samples.shape}")
    if not np.issubdtype(samples.dtype, np.floating):
        raise DataError(
            f"{utterance}: wanted float samples in -1..1, found {samples.dtype}; divide them first"
        )
    if not np.isfinite(samples).all():
        wrong = int(np.argmin(np.isfinite(samples)))
        raise DataError(
            f"{utterance}: sample {wrong} is {samples[wrong]}, not a number; check its audio file"
        )


def model_rate(model: SpeechModel) -> int | None:
    """Return the samples per second that the model's mel filters are made for, if its frontend says so."""
    mel_options = getattr(getattr(model.frontend, "logmel", None), "mel_options", None)
    return int(mel_options["sr"]) if mel_options else None


def _fewest_samples(model: SpeechModel) -> int:
    """Return how many samples the Fourier transform needs: when centred, more than it mirrors."""
    stft = getattr(model.frontend, "stft", None)
    if stft is None:
        return 1
    return int(stft.n_fft) // 2 + 1 if stft.center else int(stft.n_fft)


def _without_frontend(model: SpeechModel) -> SpeechModel:
    """Return a view on the model whose ``encode`` begins with normalised features."""
    view = copy(model)
    view._modules = dict(model._modules)
    view.frontend = view.normalize = None
    return view


@torch.inference_mode()
def _encode(model: SpeechModel, features: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the encoder's output (utterances, longest, size) and its lengths, for features padded here."""
    device = features[0].device
    lengths = torch.tensor([len(one) for one in features], device=device)
    with _autocast(model, device, dtype):
        encoded, lengths = model.encode(pad_sequence(list(features), batch_first=True), lengths)
    return (encoded[0] if isinstance(encoded, tuple) else encoded), lengths


@contextmanager
def _autocast(model: SpeechModel, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Compute in ``dtype``; ESPnet rounds its tables of positions to it for good, so keep them."""
    tables = [
        (module, module.pe) for module in model.modules() if isinstance(getattr(module, "pe", None), Tensor)
    ]
    with nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype):
        yield
    if dtype != torch.float32:
        for module, table in tables:
            module.pe = table
