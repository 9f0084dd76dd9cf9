"""SentencePiece tokenisers, and token arrays that a training process maps instead of reading text."""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import sentencepiece

from synthst.datadir import is_made, new_directory, read_info, text_path, write_info
from synthst.errors import DataError
from synthst.multilingual import language_tag, read_tagged, read_tags
from synthst.pieces import CHARACTER_COVERAGE, train_sentencepiece
from synthst.tables import read_table

logger = logging.getLogger(__name__)

BLANK, UNK, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"  # ESPnet's special tokens: 0, 1 and the last id
ENCODE_ROWS = 20_000  # rows tokenised at a time


class Tokenizer:
    """A SentencePiece model with ESPnet's ids: ``<blank>`` 0, ``<unk>`` 1, pieces, ``<sos/eos>`` last.

    The model's own special pieces come first (its unknown, in ESPnet's models also begin and end of
    sentence) and are no tokens, so a piece's id differs from SentencePiece's by a constant.
    """

    def __init__(self, model: Path) -> None:
        """Load ``model``; raises DataError when it is missing or no SentencePiece model."""
        self.path = model
        self.processor = sentencepiece.SentencePieceProcessor()
        try:
            self.processor.LoadFromSerializedProto(model.read_bytes())
        except (OSError, RuntimeError) as error:
            raise DataError(f"{model}: no SentencePiece model ({error}); train one with stage 2") from error
        special = itertools.takewhile(self._is_special, range(len(self.processor)))
        self.shift = 2 - sum(1 for _ in special)
        self.vocabulary_size = len(self.processor) + self.shift + 1

    def _is_special(self, piece: int) -> bool:
        return bool(self.processor.IsUnknown(piece) or self.processor.IsControl(piece))

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the model file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def token_list(self) -> list[str]:
        """Return all tokens, the index being the id."""
        pieces = [self.processor.IdToPiece(i) for i in range(2 - self.shift, len(self.processor))]
        return [BLANK, UNK, *pieces, SOS_EOS]

    def has_piece(self, piece: str) -> bool:
        """Tell whether ``piece`` is a token as a whole."""
        return bool(self.processor.PieceToId(piece) != self.processor.unk_id())

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, without ``<sos/eos>``."""
        return [max(piece + self.shift, 1) for piece in self.processor.EncodeAsIds(text)]

    def encode_rows(self, texts: list[str], *, threads: int = -1) -> list[list[int]]:
        """Return the SentencePiece ids of many sentences, on all cores; see `ArrayWriter.add`."""
        rows: list[list[int]] = self.processor.Encode(texts, num_threads=threads)
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; special tokens are left out, control characters become blanks.

        Byte pieces can spell any character; a target must stay one line of legal text.
        """
        last = self.vocabulary_size - 1
        text = self.processor.DecodeIds([i - self.shift for i in ids if 1 < i < last])
        return "".join(" " if c < " " or c == "\x7f" else c for c in text).strip()


def train_tokenizers(
    data: Path,
    out: Path,
    *,
    langs: list[str],
    vocabulary_size: int = 32_000,
    shared: bool = True,
    model_type: Literal["bpe", "unigram"] = "bpe",
    max_sentences: int = 10_000_000,
    character_coverage: float = CHARACTER_COVERAGE,
    tags: list[str] | None = None,
) -> None:
    """Train SentencePiece on ``text.<lang>`` and write ``out``/<lang>.model, one for all if ``shared``.

    Nothing is normalised away (identity, all blanks kept, bytes past `CHARACTER_COVERAGE`), so that decoding
    an encoded sentence gives it back; only U+2581, SentencePiece's own sign, comes back as a blank. ESPnet
    has two ids more than ``vocabulary_size``. ``tags`` are target languages: <2de> for de becomes a piece.
    """
    made_by: dict[str, object] = {
        "data": str(data),
        "langs": langs,
        "vocabulary_size": vocabulary_size,
        "shared": shared,
        "model_type": model_type,
        "max_sentences": max_sentences,
        "character_coverage": character_coverage,
        **({"tags": tags} if tags else {}),
    }
    pieces = [language_tag(lang) for lang in tags or ()]
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    with new_directory(out) as folder:
        for group in [langs] if shared else [[lang] for lang in langs]:
            texts = (text for lang in group for _, text in read_table(text_path(data, lang)))
            options = vocabulary_size, model_type, max_sentences, character_coverage
            model = train_sentencepiece(texts, *options, source=data, whole=pieces)
            for lang in group:
                (folder / f"{lang}.model").write_bytes(model)
        write_info(folder, made_by, parents=[data])


@dataclass(frozen=True)
class TokenArray:
    """One language's sentences as memory-mapped ids: sentence i is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: np.ndarray  # (tokens,) uint16 or uint32, ESPnet's ids
    offsets: np.ndarray  # (sentences + 1,) int64

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the ids of one sentence, (tokens,)."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self) -> np.ndarray:
        """Return the number of tokens of every sentence, (sentences,) int64."""
        return np.diff(self.offsets)


def write_tokens(data: Path, out: Path, *, langs: list[str], tokenizers: Path) -> None:
    """Tokenise ``text.<lang>`` of ``data`` with ``tokenizers``/<lang>.model into the directory ``out``.

    Rows keep the order of the ids, which are written to ``ids.txt``; <lang>.tokens holds the ids of all
    sentences one after the other, <lang>.offsets where each begins. If ``data`` has utt2pair, the first of
    ``langs`` is the source and its sentences get their pair's tag, see `read_tagged`.
    """
    models = {lang: Tokenizer(tokenizers / f"{lang}.model") for lang in langs}
    made_by: dict[str, object] = {
        "data": str(data),
        "data_made_by": read_info(data)["made_by"],
        "tokenizers": {lang: model.checksum for lang, model in models.items()},
    }
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    refuse_unknown_tags(models[langs[0]], data)
    rows = read_tagged(data, langs)
    with new_directory(out) as folder:
        counts = _write_arrays(rows, models, folder)
        vocabulary = {lang: model.vocabulary_size for lang, model in models.items()}
        write_info(folder, made_by, parents=[data], counts=counts, vocabulary=vocabulary)
    logger.info("%s: %s", out, ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def refuse_unknown_tags(tokenizer: Tokenizer, data: Path) -> None:
    """Raise DataError when the sources of ``data`` get tags that ``tokenizer`` would take apart."""
    if lacking := sorted(tag for tag in read_tags(data) if not tokenizer.has_piece(tag)):
        raise DataError(
            f"{tokenizer.path} has no piece {', '.join(lacking)}, which {data}/utt2pair asks for; "
            "train tokenisers, and the model, with --tags"
        )


def _write_arrays(
    rows: Iterator[tuple[str, tuple[str, ...]]], models: dict[str, Tokenizer], folder: Path
) -> dict[str, int]:
    """Write ids and arrays as streams; return the number of rows, and of tokens by language."""
    writers = {lang: ArrayWriter(folder, lang, model) for lang, model in models.items()}
    count = 0
    with (folder / "ids.txt").open("w", encoding="utf-8", newline="\n") as ids:
        for batch in itertools.batched(rows, ENCODE_ROWS):
            count += len(batch)
            ids.writelines(f"{key}\n" for key, _ in batch)
            for column, (lang, writer) in enumerate(writers.items()):
                writer.add(models[lang].encode_rows([texts[column] for _, texts in batch]))
    return {"rows": count, **{f"tokens.{lang}": writer.close() for lang, writer in writers.items()}}


class ArrayWriter:
    """Append sentences to one language's token and offset files."""

    def __init__(self, folder: Path, lang: str, tokenizer: Tokenizer) -> None:
        """Open the files; ids take two bytes where the vocabulary allows."""
        self.shift = tokenizer.shift
        self.dtype = token_dtype(tokenizer.vocabulary_size)
        self.ids = (folder / f"{lang}.tokens").open("wb")
        self.offsets = (folder / f"{lang}.offsets").open("wb")
        self.total = 0
        self.offsets.write(np.zeros(1, np.int64).tobytes())

    def add(self, rows: list[list[int]]) -> None:
        """Append sentences given as SentencePiece ids; those before the first piece are ``<unk>``, 1."""
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        self.offsets.write((self.total + np.cumsum(lengths)).tobytes())
        flat = np.fromiter(itertools.chain.from_iterable(rows), np.int64, int(lengths.sum()))
        self.ids.write(np.maximum(flat + self.shift, 1).astype(self.dtype).tobytes())
        self.total += int(lengths.sum())

    def close(self) -> int:
        """Close both files; return the number of tokens."""
        self.ids.close()
        self.offsets.close()
        return self.total


def token_dtype(vocabulary_size: int) -> np.dtype:
    """Return the smallest unsigned type that holds every id."""
    return np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.uint32)


def read_tokens(folder: Path, lang: str) -> TokenArray:
    """Map ``lang``'s tokens of a directory that `write_tokens` made; nothing is read into memory."""
    try:
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
        dtype = token_dtype(info["vocabulary"][lang])
        rows, tokens = info["counts"]["rows"], info["counts"][f"tokens.{lang}"]
        offsets = _map_array(folder / f"{lang}.offsets", np.dtype(np.int64), rows + 1)
        return TokenArray(_map_array(folder / f"{lang}.tokens", dtype, tokens), offsets)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{folder}: no token arrays of {lang!r} ({error}); run stage 6 again") from error


def _map_array(path: Path, dtype: np.dtype, length: int) -> np.ndarray:
    """Map a file of ``length`` numbers; raises DataError when it is cut off."""
    found, wanted = path.stat().st_size, length * dtype.itemsize
    if found != wanted:
        raise DataError(
            f"{path} has {found:,} bytes, {wanted:,} were written; remove {path.parent} and run stage 6 again"
        )
    return np.memmap(path, dtype, mode="r")
