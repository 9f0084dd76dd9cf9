"""Load a trained ESPnet MT model with its tokenisers; every tensor must fit."""

from dataclasses import dataclass
from pathlib import Path

import synthst.espnet.lean  # noqa: F401

# isort: split
from espnet2.mt.espnet_model import ESPnetMTModel

from synthst.espnet.files import find_model_files
from synthst.espnet.task import TokenMTTask, load_weights
from synthst.tokens import Tokenizer


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
    """Load ``directory`` (ours, its pack, or an experiment of ESPnet's MT recipe with SentencePiece tokens).

    ESPnet's own loader accepts missing and extra tensors in silence; here both raise DataError, as does a
    tokeniser whose pieces are not the model's tokens.
    """
    files = find_model_files(directory)
    model = TokenMTTask.build_model(files.config)
    load_weights(model, files.weights)
    tokenizers = files.src_tokenizer, files.tgt_tokenizer
    return TrainedModel(model.to(device).eval(), *tokenizers, files.directory, files.checksum)
