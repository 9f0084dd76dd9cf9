"""Tokenise for pretrained models: SentencePiece files, or whatever Hugging Face's transformers can read."""

import functools
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import sentencepiece

from synthst.errors import ConfigError, DataError, install_command
from synthst.teacher.languages import Tags, language_tags

logger = logging.getLogger(__name__)

SENTENCEPIECE_FILES = (  # of the source, of the target
    ("src.model", "tgt.model"),
    ("source.spm", "target.spm"),
    ("sentencepiece.bpe.model", "sentencepiece.bpe.model"),
    ("sentencepiece.model", "sentencepiece.model"),
    ("spiece.model", "spiece.model"),
    ("spm.model", "spm.model"),
)
NOT_TEXT = frozenset({"<s>", "</s>", "<pad>", "<unk>", "<blank>", "<sos/eos>"})
HUGGING_FACE_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "target_vocab.json", "source.spm", "target.spm"),
    *("sentencepiece.bpe.model", "spiece.model"),
)


class PieceTokenizer(Protocol):
    """Turn sentences into the tokens that a model reads, and the tokens that it writes into text."""

    def encode(self, sources: Sequence[str]) -> list[list[str]]:
        """Return each source's tokens with all that the model expects around them."""

    def decode(self, tokens: Sequence[str]) -> str:
        """Return the text of a target's tokens; special ones are no text."""

    @property
    def suffix(self) -> list[str]:
        """Return the tokens that stand after every source."""


class SentencePieceTokenizer:
    """SentencePiece models, with tokens around the source that they do not know."""

    def __init__(
        self,
        src_model: Path,
        tgt_model: Path,
        *,
        begins_with: Sequence[str] = (),
        ends_with: Sequence[str] = (),
        text: str = "",
        not_text: Iterable[str] = (),
    ) -> None:
        """Load the models; ``text`` goes before the sentence, ``begins_with``, ``ends_with`` are tokens."""
        self._src, self._tgt = _load_sentencepiece(src_model), _load_sentencepiece(tgt_model)
        self._begins_with, self.suffix, self._text = list(begins_with), list(ends_with), text
        self._not_text = NOT_TEXT.union(not_text)

    def encode(self, sources: Sequence[str]) -> list[list[str]]:
        """Return each source's pieces with what stands around them; nothing for a source without pieces."""
        pieces = self._src.Encode([self._text + source for source in sources], out_type=str, num_threads=1)
        return [[*self._begins_with, *found, *self.suffix] if found else [] for found in pieces]

    def decode(self, tokens: Sequence[str]) -> str:
        """Return the text, one line of it."""
        text = self._tgt.DecodePieces([token for token in tokens if token not in self._not_text])
        return one_line(str(text))


def _load_sentencepiece(model: Path) -> Any:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model.read_bytes())
    except (OSError, RuntimeError) as error:
        raise DataError(f"{model}: no SentencePiece model ({error}); copy the model's own there") from error
    return processor


class HuggingFaceTokenizer:
    """A tokeniser of the transformers library, with its own idea of what stands around a source."""

    def __init__(self, name: str, *, revision: str | None = None, eos: int | None = None) -> None:
        """Load the tokeniser in a directory, or that of a model by name.

        ``eos`` is the model's end of a sentence, for a tokeniser that does not name one, such as FSMT's.
        """
        transformers = import_transformers()
        try:
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, revision=revision)
        except (OSError, ValueError, ImportError) as error:
            raise DataError(f"{name}: no tokeniser that transformers can load ({error})") from error
        self._tags = Tags()
        self.eos = eos if self.tokenizer.eos_token_id is None else self.tokenizer.eos_token_id

    @functools.cached_property
    def vocabulary(self) -> dict[str, int]:
        """Return all tokens with their ids, those of sources where targets have others.

        M2M-100's own list leaves the languages out.
        """
        return {**self.tokenizer.get_vocab(), **getattr(self.tokenizer, "lang_token_to_id", {})}

    def set_tags(self, tags: Tags) -> None:
        """Say what the languages are."""
        self._tags = tags
        if tags.source and hasattr(self.tokenizer, "src_lang"):
            codes = getattr(self.tokenizer, "lang_code_to_token", {})  # M2M-100's en is written __en__
            by_token = {token: code for code, token in codes.items()}
            self.tokenizer.src_lang = by_token.get(tags.source, tags.source)

    def encode_ids(self, sources: Sequence[str]) -> list[list[int]]:
        """Return each source's ids with all that the model expects around them."""
        found = self.tokenizer([self._tags.text + source for source in sources], verbose=False).input_ids
        return [list(ids) for ids in found]

    def encode(self, sources: Sequence[str]) -> list[list[str]]:
        """Return each source's tokens with all that the model expects around them."""
        return [self.tokenizer.convert_ids_to_tokens(ids) for ids in self.encode_ids(sources)]

    @functools.cached_property
    def suffix_ids(self) -> list[int]:
        """Return what stands after every source: the end, after it perhaps a language."""
        around = list(self.tokenizer([""], verbose=False).input_ids[0])
        return around[around.index(self.eos) :] if self.eos in around else []

    @property
    def suffix(self) -> list[str]:
        """Return the tokens that stand after every source."""
        return list(self.tokenizer.convert_ids_to_tokens(self.suffix_ids))

    def decode(self, tokens: Sequence[str]) -> str:
        """Return the text, one line of it."""
        return self.decode_ids(self.tokenizer.convert_tokens_to_ids(list(tokens)))

    def decode_ids(self, ids: Sequence[int]) -> str:
        """Return the text, one line of it, blanks as the model wrote them."""
        text = [token for token in ids if token in self._text_ids]
        return one_line(self.tokenizer.decode(text, clean_up_tokenization_spaces=False))

    @functools.cached_property
    def _text_ids(self) -> set[int]:
        special = {*self.tokenizer.all_special_ids, *getattr(self.tokenizer, "id_to_lang_token", ())}
        decoder = getattr(self.tokenizer, "decoder", None)  # a fast tokeniser's is no dictionary
        targets = decoder if isinstance(decoder, dict) else {}  # by id; FSMT has a vocabulary for each side
        return {*self.vocabulary.values(), *targets} - special


def find_tokenizer(
    directory: Path, tags: Tags, *, vocabulary: frozenset[str], suffix: Sequence[str] | None, source_eos: str
) -> PieceTokenizer:
    """Load the tokeniser that lies in a CTranslate2 directory.

    ``suffix`` is what the user wants after every source, None what the tokeniser does: ``source_eos`` for the
    models that we know to read it, nothing if it is empty, for then CTranslate2 adds it.
    """
    if is_hugging_face(directory):
        tokenizer = HuggingFaceTokenizer(str(directory))
        tokenizer.set_tags(tags)
        if suffix is not None and list(suffix) != tokenizer.suffix:
            raise ConfigError(
                f"source_suffix {list(suffix)}: the tokeniser of {directory} puts {tokenizer.suffix} there "
                f"itself; leave the option out"
            )
        return tokenizer
    src_model, tgt_model = sentencepiece_files(directory)
    tag = tags.text.strip()
    as_token = [tag] if tag in vocabulary else []
    reads_eos = bool(tags.source or as_token or src_model.name in ("source.spm", "spiece.model"))
    return SentencePieceTokenizer(
        src_model,
        tgt_model,
        begins_with=[tags.source] if tags.source else as_token,
        ends_with=suffix if suffix is not None else [source_eos] if source_eos and reads_eos else [],
        text="" if as_token else tags.text,
        not_text=language_tags(vocabulary),
    )


def is_hugging_face(directory: Path) -> bool:
    """Tell whether transformers can find its tokeniser in ``directory`` without the model's configuration."""
    try:
        config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "tokenizer_class" in config


def sentencepiece_files(directory: Path) -> tuple[Path, Path]:
    """Return the SentencePiece models of the source and of the target."""
    for src, tgt in SENTENCEPIECE_FILES:
        if (directory / src).is_file() and (directory / tgt).is_file():
            return directory / src, directory / tgt
    wanted = ", ".join(" and ".join(dict.fromkeys(names)) for names in SENTENCEPIECE_FILES)
    raise DataError(
        f"{directory} has no tokeniser: neither tokenizer_config.json with a tokenizer_class nor {wanted}; "
        f"copy the model's own there"
    )


def tokenizer_files(directory: Path) -> list[Path]:
    """Return the files that decide how ``directory`` tokenises."""
    if is_hugging_face(directory):
        return [directory / name for name in HUGGING_FACE_FILES if (directory / name).is_file()]
    return sorted(set(sentencepiece_files(directory)))


def checksum_files(files: Iterable[Path]) -> str:
    """Return one SHA-256 of files' names and contents."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def one_line(text: str) -> str:
    """Put blanks for control characters: byte pieces can spell any, a target must stay one line."""
    return "".join(" " if c < " " or c == "\x7f" else c for c in text).strip()


def import_transformers() -> Any:
    """Return the library; raise ConfigError with the remedy when it is not installed."""
    try:
        import transformers
    except ImportError:
        raise ConfigError(
            f"this model needs the package transformers, which is not installed; {install_command('hf')}"
        ) from None
    return transformers
