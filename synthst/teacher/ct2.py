"""The teacher that is a CTranslate2 model: OPUS-MT, NLLB, M2M-100, fairseq's, OpenNMT's, our own exports."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthst.errors import ConfigError, DataError, install_command
from synthst.teacher.batches import plan_batches
from synthst.teacher.ct2_directory import Ct2Directory
from synthst.teacher.protocol import Hypothesis, SearchSettings

logger = logging.getLogger(__name__)

COMPUTE_TYPES = {"cpu": "int8", "cuda": "float16"}
BATCH_TOKENS = {"cpu": 1_024, "cuda": 16_384}
LARGEST_LOGITS = {"cpu": 2**26, "cuda": 2**29}
"""Numbers that a step computes: sentences times beam times vocabulary."""
TOO_FEW_POSITIONS = re.compile(r"No position encodings are defined for positions >= (\d+)")


@dataclass(frozen=True)
class Ct2Options:
    """How a CTranslate2 model is used; what is None or 0 is derived from the model and the machine."""

    src_lang: str | None = None
    """The model's tag of the source language, such as eng_Latn; by itself from ``src``."""
    tgt_lang: str | None = None
    target_prefix: list[str] | None = None
    """Tokens that every target must begin with and that are no part of it; by itself the target's tag."""
    source_prefix: str | None = None
    """Text before every source, such as T5's tasks; by itself the tag or task, where the model has one."""
    source_suffix: list[str] | None = None
    """Tokens after every source; by itself what the tokeniser puts there."""
    max_source_tokens: int = 1024
    """What a longer source is cut to; its translations count as cut off, too."""
    patience: float = 1.0
    """The search ends when ``beam * patience`` hypotheses have ended."""
    compute_type: str = "default"
    """CTranslate2's; the default is int8 on a CPU, float16 on a GPU."""
    threads: int = 0
    """Per worker; by itself 1 on a CPU. This and the next two change the speed, not the translations."""
    workers: int = 0
    """Batches at a time; by itself as many as there are cores, 1 on a GPU."""
    batch_tokens: int = 0
    """Source tokens in a batch, padding included; by itself 1,024 on a CPU, 16,384 on a GPU."""

    def __post_init__(self) -> None:
        if min(self.threads, self.workers, self.batch_tokens) < 0 or self.max_source_tokens < 8:
            raise ConfigError(
                f"threads {self.threads}, workers {self.workers}, batch_tokens {self.batch_tokens}, "
                f"max_source_tokens {self.max_source_tokens}; give at least 0, 0, 0 and 8"
            )
        if self.patience < 1:
            raise ConfigError(f"patience {self.patience}; give 1 or more")


@dataclass(frozen=True)
class _Sentence:
    """A source as the model reads it."""

    index: int
    tokens: list[str]
    length: int
    """With what CTranslate2 adds."""
    limit: int
    """Steps that its search may take, the end included."""
    cut: bool
    """Whether the source was longer than the model takes."""


class Ct2Teacher:
    """Translate with a CTranslate2 directory: model.bin, config.json, vocabularies, a tokeniser.

    The weights are loaded for the first translation. The search ends when ``beam`` hypotheses have ended;
    scores are sums of log probabilities, with ``mean`` over the tokens and the end. A blank source has the
    empty translation. A source longer than the model reads, or than ``max_source_tokens``, is cut, and its
    translations count as not finished.
    """

    def __init__(
        self,
        directory: Path,
        settings: SearchSettings,
        *,
        src: str | None = None,
        tgt: str | None = None,
        device: str = "cpu",
        options: Ct2Options | None = None,
    ) -> None:
        """Find the model, its languages and its tokeniser's files; raises DataError if one lacks."""
        self._options = chosen = options or Ct2Options()
        self._device, _, number = device.partition(":")
        self._device_index = int(number or 0)
        _refuse_settings(settings)
        self._settings, self._mean = settings, settings.length_normalisation == "mean"
        self._compute_type = chosen.compute_type
        if chosen.compute_type == "default":
            self._compute_type = COMPUTE_TYPES[self._device]
        self._model = Ct2Directory(
            directory,
            src=src,
            tgt=tgt,
            src_lang=chosen.src_lang,
            tgt_lang=chosen.tgt_lang,
            source_prefix=chosen.source_prefix,
            source_suffix=chosen.source_suffix,
            target_prefix=chosen.target_prefix,
        )
        self._prefix = self._model.target_prefix
        self._positions: int | None = None

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """Identify the teacher by its weights, its tokeniser and the options that change translations."""
        return {
            "kind": "ct2",
            **self._model.identity(),
            "max_source_tokens": self._options.max_source_tokens,
            "patience": self._options.patience,
            "compute_type": self._compute_type,
        }

    @property
    def settings(self) -> SearchSettings:
        """Say how it searches."""
        return self._settings

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the n-best lists, best first."""
        try:
            return self._translate(sources)
        except (RuntimeError, ValueError) as error:
            found = TOO_FEW_POSITIONS.search(str(error))
            if self._positions is not None or found is None:
                raise
            self._positions = int(found[1])
            logger.info("%s takes %d tokens at most", self._model.path, self._positions)
            return self._translate(sources)

    def _translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        results = [[Hypothesis("", 0.0, 0, True)] for _ in sources]
        again: dict[int, list[_Sentence]] = defaultdict(list)
        for sentence, limit, found in self._search(self._groups(list(self._sentences(sources)))):
            steps = max(len(tokens) - len(self._prefix) for tokens in found.hypotheses)
            if limit > sentence.limit <= steps:
                again[sentence.limit].append(sentence)
            else:
                results[sentence.index] = self._hypotheses(sentence, found)
        for sentence, _, found in self._search(again.values()):
            results[sentence.index] = self._hypotheses(sentence, found)
        return results

    def _groups(self, sentences: Sequence[_Sentence]) -> Iterable[Sequence[_Sentence]]:
        """Return who may be in a batch together.

        CTranslate2 has one length limit for a batch. With the mean as order, a search ends when enough
        hypotheses have ended, and the longest of them tells when that was: if before the sentence's own
        limit, that limit made no difference, otherwise `_translate` searches again. Without, the longest
        may not be among those returned, so only sentences of one limit go together.
        """
        if self._mean:
            return [sentences]
        groups: dict[int, list[_Sentence]] = defaultdict(list)
        for sentence in sentences:
            groups[sentence.limit].append(sentence)
        return groups.values()

    def _sentences(self, sources: Sequence[str]) -> Iterator[_Sentence]:
        """Yield what there is to translate: all but blank sources, the longest ones cut."""
        indices = [index for index, source in enumerate(sources) if source.strip()]
        tokenizer, added = self._model.tokenizer, self._model.added_tokens
        most = min(self._options.max_source_tokens, self._positions or self._options.max_source_tokens)
        encoded = tokenizer.encode([sources[index] for index in indices])
        for index, tokens in zip(indices, encoded, strict=True):
            if cut := len(tokens) + added > most:
                tokens = tokens[: most - added - len(tokenizer.suffix)] + tokenizer.suffix
            if tokens:
                length = len(tokens) + added
                yield _Sentence(index, tokens, length, self._limit(length), cut)

    def _limit(self, length: int) -> int:
        limit = max(1, int(self._settings.max_ratio * length) + self._settings.max_extra)
        return limit if self._positions is None else max(1, min(limit, self._positions - len(self._prefix)))

    def _search(self, groups: Iterable[Sequence[_Sentence]]) -> Iterator[tuple[_Sentence, int, Any]]:
        """Yield each sentence, the limit that its batch had, and what CTranslate2 found."""
        waiting = []
        for group in groups:
            for batch in self._batches(group):
                limit = max(sentence.limit for sentence in batch)
                waiting.append((batch, limit, self._submit([one.tokens for one in batch], limit)))
        for batch, limit, promises in waiting:
            for sentence, promise in zip(batch, promises, strict=True):
                yield sentence, limit, promise.result()

    def _batches(self, sentences: Sequence[_Sentence]) -> Iterator[list[_Sentence]]:
        logits = self._settings.beam * len(self._model.vocabulary)
        planned = plan_batches(
            [sentence.length for sentence in sentences],
            max_tokens=self._options.batch_tokens or BATCH_TOKENS[self._device],
            max_sentences=max(1, LARGEST_LOGITS[self._device] // logits),
        )
        return ([sentences[index] for index in batch] for batch in planned)

    def _submit(self, batch: list[list[str]], limit: int) -> Any:
        """Queue a batch; the answers are promises."""
        prefix, beam = self._prefix, self._settings.beam
        ended = int(beam * self._options.patience + 0.5) if beam > 1 else 1  # as CTranslate2 rounds
        return self._translator.translate_batch(
            batch,
            [prefix] * len(batch) if prefix else None,
            asynchronous=True,
            beam_size=beam,
            patience=self._options.patience if self._mean else 1.0,
            num_hypotheses=ended if self._mean else self._settings.nbest,
            length_penalty=1.0 if self._mean else 0.0,
            max_input_length=0,
            max_decoding_length=limit + len(prefix),
            min_decoding_length=min(self._settings.min_length, limit) + len(prefix),
            return_end_token=True,
            return_scores=True,
        )

    def _hypotheses(self, sentence: _Sentence, found: Any) -> list[Hypothesis]:
        """Order by our mean, which leaves the prefix out and counts the end, also that of what is cut off."""
        hypotheses = []
        for tokens, score in zip(found.hypotheses, found.scores, strict=True):
            ended = tokens[-1:] == [self._model.eos]
            words = tokens[len(self._prefix) : len(tokens) - ended]
            ranked_by = score * len(tokens) / (len(words) + 1) if self._mean else score
            text = self._model.tokenizer.decode(words)
            hypotheses.append(Hypothesis(text, ranked_by, len(words), ended and not sentence.cut))
        hypotheses.sort(key=lambda hypothesis: -hypothesis.score)
        return hypotheses[: self._settings.nbest]

    @cached_property
    def _translator(self) -> Any:
        ctranslate2 = import_ctranslate2()
        on_cpu = self._device == "cpu"
        workers = self._options.workers or (len(os.sched_getaffinity(0)) if on_cpu else 1)
        try:
            translator = ctranslate2.Translator(
                str(self._model.path),
                self._device,
                device_index=self._device_index,
                compute_type=self._compute_type,
                inter_threads=workers,
                intra_threads=self._options.threads or int(on_cpu),
                max_queued_batches=-1,
            )
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{self._model.path}: CTranslate2 cannot load it ({error})") from error
        logger.info("%s: computing in %s, %d workers", self._model.path, translator.compute_type, workers)
        return translator


def import_ctranslate2() -> Any:
    """Return the library; raise ConfigError with the remedy when it is not installed."""
    try:
        import ctranslate2
    except ImportError:
        raise ConfigError(
            f"this model needs the package ctranslate2, which is not installed; {install_command('ct2')}"
        ) from None
    return ctranslate2


def _refuse_settings(settings: SearchSettings) -> None:
    if settings.top_k:
        raise ConfigError(
            f"top_k {settings.top_k}: CTranslate2's samples depend on what else is in a batch and cannot "
            f"be had again; sample with a teacher espnet:DIR or hf:NAME, or give top_k 0"
        )
    if settings.dtype != "float32":
        raise ConfigError(
            f"dtype {settings.dtype} is for torch; give a CTranslate2 teacher compute_type {settings.dtype} "
            f"among its options instead"
        )
