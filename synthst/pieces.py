"""Train one SentencePiece model."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import sentencepiece

from synthst.errors import ConfigError, DataError

CHARACTER_COVERAGE = 0.9999
"""The part of the text, 0.98 to 1, whose characters are pieces; the rarest characters are spelled in bytes.

At 1 every stray character of a web corpus takes a piece. At SentencePiece's own 0.9995 English, German and
Russian help texts lose { } ! and some capitals. At 0.9999 they lose only characters that occur at most twelve
times in a million: 76 of 4,000 pieces (English and German), 23 of 4,000 (English and Russian), and need 0.4%
and 0.1% fewer tokens.
"""
UNKNOWN_ONLY = {"unk_id": 0, "bos_id": -1, "eos_id": -1, "pad_id": -1}  # of the library's special pieces


def train_sentencepiece(
    texts: Iterator[str],
    vocabulary_size: int,
    model_type: str,
    max_sentences: int,
    character_coverage: float,
    *,
    source: Path,
    whole: Sequence[str] = (),
) -> bytes:
    """Return a serialised model in which each of ``whole`` is always one piece.

    Raises DataError when ``source`` has too little text for it, or too many characters.
    """
    if not 0.98 <= character_coverage <= 1:  # what the library takes
        raise ConfigError(f"character_coverage {character_coverage}; give 0.98 to 1, such as 0.9995")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=texts,
            model_writer=model,
            model_type=model_type,
            vocab_size=vocabulary_size,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            character_coverage=character_coverage,
            byte_fallback=True,
            user_defined_symbols=list(whole),
            **UNKNOWN_ONLY,
            input_sentence_size=max_sentences,
            shuffle_input_sentence=True,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"{source}: SentencePiece cannot make {vocabulary_size:,} pieces of it ({error}); "
            f"{find_remedy(str(error), character_coverage)}"
        ) from error
    return model.getvalue()


def find_remedy(error: str, character_coverage: float) -> str:
    """Say what helps against an error of SentencePiece's training."""
    if "required_chars" in error:  # characters and bytes alone are more than the pieces
        return (
            f"raise --vocabulary_size, or lower --character_coverage {character_coverage}, so that more rare "
            f"characters are spelled in bytes"
        )
    return "lower --vocabulary_size or add text"
