"""Read what lies in a CTranslate2 directory besides the weights: vocabulary, languages, tokeniser."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from synthst.errors import ConfigError, DataError
from synthst.teacher.languages import Tags, find_tags
from synthst.teacher.tokenizers import PieceTokenizer, checksum_files, find_tokenizer, tokenizer_files

VOCABULARIES = ("shared_vocabulary", "source_vocabulary", "target_vocabulary")
CONVERTED = "synthst_convert.json"
"""Beside models that `synthst.teacher.convert` made: what their own configuration does not say."""


class Ct2Directory:
    """A CTranslate2 model's files, and how they want to be used for two languages."""

    def __init__(
        self,
        path: Path,
        *,
        src: str | None = None,
        tgt: str | None = None,
        src_lang: str | None = None,
        tgt_lang: str | None = None,
        source_prefix: str | None = None,
        source_suffix: Sequence[str] | None = None,
        target_prefix: Sequence[str] | None = None,
    ) -> None:
        """Read the small files; raises DataError if one lacks, ConfigError for languages it does not know.

        ``source_prefix`` (text), ``source_suffix`` and ``target_prefix`` (tokens) go before what is derived.
        """
        self.path = path
        self._files = _vocabulary_files(path)
        self.config = _read_json(path / "config.json")
        self.vocabulary = frozenset(token for file in self._files for token in _read_tokens(file))
        try:
            tags = find_tags(self.vocabulary, src=src, tgt=tgt, src_lang=src_lang, tgt_lang=tgt_lang)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        text = tags.text or self._task(src, tgt) if source_prefix is None else source_prefix
        self.tags: Tags = replace(tags, text=text)
        derived = [tags.target] if tags.target else []
        self.target_prefix = derived if target_prefix is None else list(target_prefix)
        self._suffix = None if source_suffix is None else list(source_suffix)
        self._tokenizer_files = tokenizer_files(path)

    def _task(self, src: str | None, tgt: str | None) -> str:
        """Return what a converted T5 wants to read before a source of these languages."""
        if not (self.path / CONVERTED).is_file():
            return ""
        return str(_read_json(self.path / CONVERTED).get("tasks", {}).get(f"{src}-{tgt}", ""))

    @property
    def eos(self) -> str:
        """Return the token that ends a target."""
        return str(self.config.get("eos_token", "</s>"))

    @property
    def added_tokens(self) -> int:
        """Count the tokens that CTranslate2 itself puts around a source."""
        return sum(bool(self.config.get(key)) for key in ("add_source_bos", "add_source_eos"))

    @cached_property
    def tokenizer(self) -> PieceTokenizer:
        """Return the tokeniser, loaded once."""
        eos = "" if self.config.get("add_source_eos") else self.eos
        return find_tokenizer(
            self.path, self.tags, vocabulary=self.vocabulary, suffix=self._suffix, source_eos=eos
        )

    def identity(self) -> dict[str, object]:
        """Identify the files by their content, and say what is put around source and target."""
        with (self.path / "model.bin").open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
        small = {*self._tokenizer_files, *self._files, self.path / "config.json"}
        return {
            "name": self.path.name,
            "weights_sha256": weights,
            "tokenizer_sha256": checksum_files(sorted(small)),
            "src_tag": self.tags.source,
            "target_prefix": self.target_prefix,
            "source_prefix": self.tags.text,
            "source_suffix": self._suffix,
        }


def _vocabulary_files(path: Path) -> list[Path]:
    named = [path / f"{name}{end}" for name in VOCABULARIES for end in (".json", ".txt")]
    found = [file for file in named if file.is_file()]
    lacking = named[0].name if not found else "model.bin" if not (path / "model.bin").is_file() else ""
    if lacking:
        raise DataError(
            f"{path} is no CTranslate2 model, it lacks {lacking}; make one with synthst convert or export"
        )
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name a CTranslate2 directory") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}; convert the model again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no JSON object; convert the model again")
    return found


def _read_tokens(path: Path) -> list[str]:
    """Read a vocabulary: a JSON list, in older directories one token a line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [str(token) for token in json.loads(text)]
    return text.removesuffix("\n").split("\n")
