"""Load a trained ESPnet MT model with its tokenisers; every tensor must fit."""

import argparse
import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
import yaml
from espnet2.mt.espnet_model import ESPnetMTModel

from synthst.errors import DataError
from synthst.espnet.task import TokenMTTask
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
class TrainedModel:
    """A model ready to translate, in eval mode."""

    model: ESPnetMTModel
    src_tokenizer: Tokenizer
    tgt_tokenizer: Tokenizer
    directory: Path
    checksum: str
    """SHA-256 of the weights' file."""


def load_model(directory: Path, *, device: str = "cpu") -> TrainedModel:
    """Load ``directory`` (ours, or an experiment of ESPnet's MT recipe with SentencePiece tokens).

    ESPnet's own loader accepts missing and extra tensors in silence; here both raise DataError, as does a
    tokeniser whose pieces are not the model's tokens.
    """
    args = read_config(directory / "config.yaml")
    weights = next((directory / name for name in MODEL_FILES if (directory / name).exists()), None)
    if weights is None:
        raise DataError(f"{directory}: none of {', '.join(MODEL_FILES)} is there; is the training finished?")
    src_tokenizer = find_tokenizer(directory, "src.model", args.src_bpemodel, args.src_token_list)
    tgt_tokenizer = find_tokenizer(directory, "tgt.model", args.bpemodel, args.token_list)
    model = TokenMTTask.build_model(args)
    load_weights(model, weights)
    with weights.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return TrainedModel(model.to(device).eval(), src_tokenizer, tgt_tokenizer, directory, checksum)


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


def load_weights(model: ESPnetMTModel, weights: Path) -> None:
    """Load every tensor, strictly, and no code; raises DataError that names the tensors that do not fit."""
    try:
        states = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(states, strict=True)
    except (RuntimeError, EOFError, OSError, TypeError, pickle.UnpicklingError) as error:
        raise DataError(f"{weights}: does not fit the model of config.yaml beside it: {error}") from error
