"""The teacher that is a model of transformers: Marian, FSMT, NLLB, M2M-100, mBART-50, T5, MADLAD."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthst.errors import ConfigError, DataError
from synthst.teacher.batches import plan_batches
from synthst.teacher.languages import Tags, find_tags
from synthst.teacher.protocol import Hypothesis, SearchSettings
from synthst.teacher.tokenizers import HuggingFaceTokenizer, checksum_files, import_transformers

if TYPE_CHECKING:
    from torch import Tensor

    from synthst.espnet.options import SearchOptions
    from synthst.teacher.hf_decoder import HfDecoder

logger = logging.getLogger(__name__)

BATCH_TOKENS = {"cpu": 4_096, "cuda": 65_536}
LARGEST_LOGITS = {"cpu": 2**26, "cuda": 2**30}
"""Numbers that a step computes: sentences times hypotheses times vocabulary."""
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True)
class HfOptions:
    """How a model is used; what is None or 0 is derived from the model and the machine."""

    src_lang: str | None = None
    """The model's tag of the source language, such as eng_Latn; by itself from ``src``."""
    tgt_lang: str | None = None
    source_prefix: str | None = None
    """Text before every source, such as T5's tasks; by itself the tag or task, where the model has one."""
    max_source_tokens: int = 1024
    """What a longer source is cut to; its translations count as cut off, too."""
    revision: str | None = None
    """Of a model that is given by name: a branch, tag or commit."""
    batch_tokens: int = 0
    """Source tokens in a batch, padding included, times the beam: speed only; by itself 4,096 on a CPU."""

    def __post_init__(self) -> None:
        if self.batch_tokens < 0 or self.max_source_tokens < 8:
            raise ConfigError(
                f"batch_tokens {self.batch_tokens}, max_source_tokens {self.max_source_tokens}; "
                f"give at least 0 and 8"
            )


class HfTeacher:
    """Translate with a sequence-to-sequence model in a directory, or by its name on the hub.

    The search is ours, the one of the teachers that are ESPnet models, so all its settings hold; sampling,
    too. torch and the weights are loaded for the first translation. A blank source has the empty translation.
    A source longer than the model reads, or than ``max_source_tokens``, is cut, and its translations count
    as not finished.
    """

    def __init__(
        self,
        name: str,
        settings: SearchSettings,
        *,
        src: str | None = None,
        tgt: str | None = None,
        device: str = "cpu",
        options: HfOptions | None = None,
    ) -> None:
        """Load the configuration and the tokeniser; raises DataError when there is none."""
        self._name, self._settings, self._device = name, settings, device
        self._options = options or HfOptions()
        self._config = load_config(name, self._options.revision)
        eos = getattr(self._config, "eos_token_id", None)
        self._tokenizer = HuggingFaceTokenizer(name, revision=self._options.revision, eos=eos)
        self._tags = self._find_tags(src, tgt)
        self._tokenizer.set_tags(self._tags)

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """Identify the teacher by its weights or its revision, and by what changes translations."""
        return {
            "kind": "hf",
            **identify_model(self._name, self._options.revision),
            "src_tag": self._tags.source,
            "tgt_tag": self._tags.target,
            "source_prefix": self._tags.text,
            "max_source_tokens": self._options.max_source_tokens,
        }

    @property
    def settings(self) -> SearchSettings:
        """Say how it searches."""
        return self._settings

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the n-best lists, best first, or the samples; scores are as the search ranks."""
        results = [[Hypothesis("", 0.0, 0, True)] for _ in sources]
        indices = [index for index, source in enumerate(sources) if source.strip()]
        encoded = self._tokenizer.encode_ids([sources[index] for index in indices])
        longest = min(self._options.max_source_tokens, self._positions)
        cut = [cut_source(ids, longest, self._tokenizer.suffix_ids) for ids in encoded]
        for place, hypotheses in self._search(cut):
            whole = len(encoded[place]) <= longest
            results[indices[place]] = [replace_finished(found, whole) for found in hypotheses]
        return results

    def _search(self, sources: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield (place among ``sources``, n-best list) as batches are done."""
        import torch

        from synthst.espnet.beam import search_encoded

        decoder, decode = self._decoder, self._tokenizer.decode_ids
        for options, batch in self._plan([len(source) for source in sources]):
            chosen = [sources[place] for place in batch]
            with torch.inference_mode():
                encoded, lengths = self._encode(chosen)
            found = search_encoded(
                decoder,  # type: ignore[arg-type]
                encoded,
                lengths,
                options,
                sos=self._prompt[0],
                eos=self._eos,
                keys=torch.tensor([sampling_key(source) for source in chosen]),
            )
            for place, hypotheses in zip(batch, found, strict=True):
                yield (
                    place,
                    [
                        Hypothesis(decode(h.tokens), h.ranked_by, len(h.tokens), h.finished)
                        for h in hypotheses
                    ],
                )

    def _plan(self, lengths: Sequence[int]) -> Iterator[tuple["SearchOptions", list[int]]]:
        """Yield batches; apart are the sentences whose limit is the number of the model's positions."""
        from synthst.espnet.options import SearchOptions

        kind = self._device.partition(":")[0]
        options = SearchOptions(**asdict(self._settings))
        room = self._positions - len(self._prompt)
        limits = [max(1, int(options.max_ratio * length) + options.max_extra) for length in lengths]
        for chosen, members in (
            (options, [place for place, limit in enumerate(limits) if limit <= room]),
            (replace(options, max_ratio=0.0, max_extra=room), [p for p, v in enumerate(limits) if v > room]),
        ):
            planned = plan_batches(
                [lengths[place] for place in members],
                max_tokens=(self._options.batch_tokens or BATCH_TOKENS[kind]) // options.width,
                max_sentences=max(1, LARGEST_LOGITS[kind] // (options.width * self._decoder.vocabulary)),
            )
            yield from ((chosen, [members[place] for place in batch]) for batch in planned)

    def _encode(self, sources: Sequence[Sequence[int]]) -> tuple["Tensor", "Tensor"]:
        """Return the encoder's output (sources, longest, size) and its lengths (sources,)."""
        import torch

        rows = [torch.tensor(source) for source in sources]
        pad = self._tokenizer.tokenizer.pad_token_id or 0
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(source) for source in sources])
        mask = (torch.arange(padded.size(1)) < lengths.unsqueeze(1)).long()
        encoder = self._model.get_encoder()
        encoded = encoder(input_ids=padded.to(self._device), attention_mask=mask.to(self._device))
        return encoded.last_hidden_state, lengths

    def _find_tags(self, src: str | None, tgt: str | None) -> Tags:
        options, vocabulary = self._options, self._tokenizer.vocabulary
        try:
            tags = find_tags(
                vocabulary, src=src, tgt=tgt, src_lang=options.src_lang, tgt_lang=options.tgt_lang
            )
        except ConfigError as error:
            raise ConfigError(f"{self._name}: {error}") from None
        text = tags.text or find_tasks(self._config).get(f"{src}-{tgt}", "")
        return replace(tags, text=text if options.source_prefix is None else options.source_prefix)

    @cached_property
    def _positions(self) -> int:
        """Return how many tokens a side may have; models with relative positions take any number."""
        return int(getattr(self._config, "max_position_embeddings", None) or 2**30)

    @cached_property
    def _eos(self) -> int:
        if not isinstance(self._tokenizer.eos, int):
            raise ConfigError(
                f"{self._name} does not say which token its targets end with; put an eos_token into its "
                f"tokenizer_config.json"
            )
        return self._tokenizer.eos

    @cached_property
    def _prompt(self) -> list[int]:
        """Return what the decoder reads first: its start and the target's language."""
        start = self._model.generation_config.decoder_start_token_id
        tag = self._tags.target and self._tokenizer.vocabulary[self._tags.target]
        found = [start if start is not None else getattr(self._config, "decoder_start_token_id", None), tag]
        prompt = [int(token) for token in dict.fromkeys(found) if token is not None]
        if not prompt:
            raise ConfigError(f"{self._name} says nothing about the token that its targets begin with")
        return prompt

    @cached_property
    def _decoder(self) -> "HfDecoder":
        from synthst.teacher.hf_decoder import HfDecoder

        config = self._model.generation_config
        banned = {words[0] for words in config.bad_words_ids or () if len(words) == 1}
        banned |= set(config.suppress_tokens or ())
        if self._config.model_type == "marian":  # its padding only begins targets
            banned.add(self._config.pad_token_id)
        return HfDecoder(self._model, self._prompt, sorted(banned))

    @cached_property
    def _model(self) -> Any:
        import torch

        transformers = import_transformers()
        dtype = getattr(torch, self._settings.dtype)
        try:
            model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                self._name, revision=self._options.revision, dtype=dtype
            )
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self._name}: no sequence-to-sequence model that transformers can load ({error})"
            ) from error
        logger.info("%s: %s, %s, on %s", self._name, type(model).__name__, self._settings.dtype, self._device)
        return model.to(self._device).eval()


def load_config(name: str, revision: str | None) -> Any:
    """Return a model's configuration; raise DataError when there is none."""
    transformers = import_transformers()
    try:
        return transformers.AutoConfig.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{name}: neither a directory with a model of the transformers library nor the name of one that "
            f"can be had ({error})"
        ) from error


def identify_model(name: str, revision: str | None) -> dict[str, object]:
    """Return a directory's name and the checksum of its files, or a model's name and its commit."""
    directory = Path(name)
    if not directory.is_dir():
        config = import_transformers().utils.cached_file(name, "config.json", revision=revision)
        return {"name": name, "revision": Path(config).parent.name}  # the cache's folder is the commit
    weights = next((found for pattern in WEIGHTS if (found := sorted(directory.glob(pattern)))), [])
    if not weights:
        raise DataError(f"{directory} has no weights, {' or '.join(WEIGHTS)}; save the whole model there")
    small = [path for end in ("*.json", "*.model", "*.spm", "merges.txt") for path in directory.glob(end)]
    return {
        "name": directory.name,
        "weights_sha256": checksum_files(weights),
        "files_sha256": checksum_files(sorted(small)),
    }


def find_tasks(config: Any) -> dict[str, str]:
    """Return what a T5 wants to read before a source, by language pair such as en-de."""
    tasks: Mapping[str, Any] = getattr(config, "task_specific_params", None) or {}
    named = {name.removeprefix("translation_").replace("_to_", "-"): task for name, task in tasks.items()}
    return {pair: str(task["prefix"]) for pair, task in named.items() if "-" in pair and "prefix" in task}


def cut_source(ids: Sequence[int], longest: int, suffix: Sequence[int]) -> list[int]:
    """Return a source of at most ``longest`` tokens, cut before its suffix."""
    return list(ids) if len(ids) <= longest else [*ids[: longest - len(suffix)], *suffix]


def replace_finished(hypothesis: Hypothesis, whole: bool) -> Hypothesis:
    """Count a translation of a source that was cut as cut off."""
    return hypothesis if whole else hypothesis._replace(finished=False)


def sampling_key(source: Iterable[int]) -> int:
    """Hash a source's tokens to 64 bits, the same wherever the source stands."""
    digest = blake2b(" ".join(map(str, source)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
