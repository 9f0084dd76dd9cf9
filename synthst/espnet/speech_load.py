"""Load a trained ESPnet recogniser or speech translator with its tokenisers; every tensor must fit."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from synthst.errors import DataError
from synthst.espnet.files import find_tokenizer
from synthst.espnet.init import file_checksum
from synthst.espnet.speech_origin import STATISTICS, find_weights, read_options
from synthst.espnet.speech_task import SpeechTask, SpokenASRTask, SpokenSTTask
from synthst.espnet.task import load_weights
from synthst.packfile import open_pack
from synthst.tokens import Tokenizer

MODEL_KEYS = ("bpemodel", "token_list", "frontend", "encoder", "decoder", "model_conf")


@dataclass(frozen=True)
class TrainedSpeechModel:
    """A model ready to recognise ("asr") or translate ("st") speech, in eval mode."""

    task: Literal["asr", "st"]
    model: Any
    """ESPnet's ESPnetASRModel or ESPnetSTModel."""
    tgt_tokenizer: Tokenizer
    """Of what the model writes: the transcript or the translation."""
    src_tokenizer: Tokenizer | None
    """Of the transcript, if the model is a translator with a transcript to learn from."""
    directory: Path
    checksum: str
    """SHA-256 of the weights' file."""


def load_speech_model(directory: Path, *, device: str = "cpu") -> TrainedSpeechModel:
    """Load ``directory`` (ours, its pack, or an experiment of ESPnet's recipes with SentencePiece tokens).

    As `load_model`, it raises DataError for any tensor that is missing, too many or misshapen and for a
    tokeniser whose pieces are not the model's tokens.
    """
    directory = open_pack(directory)
    weights = find_weights(directory)
    args = read_arguments(weights)
    is_translator = hasattr(args, "src_token_list")
    tgt_tokenizer = find_tokenizer(directory, "tgt.model", args.bpemodel, args.token_list)
    src_tokenizer = None
    if is_translator and args.src_token_list:
        src_tokenizer = find_tokenizer(directory, "src.model", args.src_bpemodel, args.src_token_list)
    task: type[SpeechTask] = SpokenSTTask if is_translator else SpokenASRTask
    model = task.build_model(args)
    load_weights(model, weights)
    return TrainedSpeechModel(
        "st" if is_translator else "asr",
        model.to(device).eval(),
        tgt_tokenizer,
        src_tokenizer,
        directory,
        file_checksum(weights),
    )


def read_arguments(weights: Path) -> argparse.Namespace:
    """Read the config.yaml that ESPnet wrote; raises DataError when it is none of a speech model."""
    options = read_options(weights)
    missing = [key for key in MODEL_KEYS if key not in (options or {})]
    if options is None or missing:
        found = f"lacks {', '.join(missing)}" if options is not None else "is not there"
        raise DataError(
            f"{weights.parent / 'config.yaml'}: no configuration of an ESPnet speech model, it {found}"
        )
    if (weights.parent / STATISTICS).exists():  # where they were when the model was trained does not matter
        options["normalize_conf"]["stats_file"] = str(weights.parent / STATISTICS)
    return argparse.Namespace(**options)
