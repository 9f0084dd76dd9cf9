"""Find the files of a trained ESPnet MT model and check them, without torch."""

import argparse
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from synthst.errors import DataError
from synthst.packfile import open_pack
from synthst.tokens import Tokenizer

MODEL_FILES = (
    "model.pth",
    "valid.loss.ave.pth",
    "valid.acc.ave.pth",
    "valid.loss.best.pth",
    "valid.acc.best.pth",
)
MODEL_KEYS = ("src_bpemodel", "src_token_list", "bpemodel", "token_list", "encoder", "decoder", "model_conf")


@dataclass(frozen=True)
class ModelFiles:
    """A model's configuration, weights and tokenisers."""

    directory: Path
    config: argparse.Namespace
    weights: Path
    src_tokenizer: Tokenizer
    tgt_tokenizer: Tokenizer

    @cached_property
    def checksum(self) -> str:
        """Return the SHA-256 of the weights' file."""
        with self.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_model_files(directory: Path) -> ModelFiles:
    """Find the model in ``directory``: ours, or of an experiment of ESPnet's MT recipe with SentencePiece.

    A file that `synthst pack` wrote is taken as the directory that it was made of, see `open_pack`.
    Raises DataError when a file lacks or a tokeniser's pieces are not the model's tokens.
    """
    directory = open_pack(directory)
    config = read_config(directory / "config.yaml")
    weights = next((directory / name for name in MODEL_FILES if (directory / name).exists()), None)
    if weights is None:
        raise DataError(f"{directory}: none of {', '.join(MODEL_FILES)} is there; is the training finished?")
    src_tokenizer = find_tokenizer(directory, "src.model", config.src_bpemodel, config.src_token_list)
    tgt_tokenizer = find_tokenizer(directory, "tgt.model", config.bpemodel, config.token_list)
    return ModelFiles(directory, config, weights, src_tokenizer, tgt_tokenizer)


def read_config(path: Path) -> argparse.Namespace:
    """Read the config.yaml that ESPnet wrote; raises DataError when it is none of an MT model."""
    try:
        args = argparse.Namespace(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: no configuration of an ESPnet model ({error})") from error
    missing = [key for key in MODEL_KEYS if not hasattr(args, key)]
    if missing:
        raise DataError(f"{path}: no configuration of an ESPnet MT model, it lacks {', '.join(missing)}")
    return args


def find_tokenizer(directory: Path, name: str, configured: str | None, token_list: list[str]) -> Tokenizer:
    """Return the tokeniser beside the model, or where its configuration says."""
    places = [directory / name]
    if configured:
        places += [directory / configured, Path(configured)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        found = " or ".join(map(str, places))
        raise DataError(f"{directory}: no SentencePiece model at {found}; copy it there")
    tokenizer = Tokenizer(path)
    if tokenizer.token_list() != token_list:
        raise DataError(
            f"{path}: its pieces are not the tokens of {directory / 'config.yaml'} in their order; copy the "
            f"tokeniser that the model was trained with"
        )
    return tokenizer
