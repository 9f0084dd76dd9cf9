"""Find the models that a speech translator begins with, and refuse those that compute something else.

The names and shapes of tensors say nothing of the features that an encoder was trained on, its number of
heads or its activations: these are in config.yaml, where there is one.
"""

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from synthst.espnet.lean import lean_imports

# isort: split
with lean_imports():
    from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
    from espnet2.asr.frontend.default import DefaultFrontend
    from espnet2.layers.global_mvn import GlobalMVN
    from espnet2.layers.utterance_mvn import UtteranceMVN

from synthst.errors import ConfigError, DataError
from synthst.espnet.files import MODEL_FILES
from synthst.espnet.init import read_states
from synthst.tokens import Tokenizer

logger = logging.getLogger(__name__)

Options = Mapping[str, Any]

NO_MATTER = {  # options that only training or speed depend on
    "dropout_rate",
    "positional_dropout_rate",
    "attention_dropout_rate",
    "self_attention_dropout_rate",
    "src_attention_dropout_rate",
    "stochastic_depth_rate",
    "layer_drop_rate",
    "gradient_checkpoint_layers",
    "interctc_layer_idx",
    "max_pos_emb_len",
    "padding_idx",
    "use_flash_attn",
    "use_sdpa",
    "pos_enc_class",
    "stats_file",
}
STATISTICS = "feats_stats.npz"


def find_weights(path: Path) -> Path:
    """Return the file of weights of a directory of ours or ESPnet's, or ``path`` if it is a file."""
    if path.is_file():
        return path
    weights = next((path / name for name in MODEL_FILES if (path / name).exists()), None)
    if weights is None:
        raise DataError(f"{path}: none of {', '.join(MODEL_FILES)} is there; is the training finished?")
    return weights


def read_options(weights: Path) -> dict[str, Any] | None:
    """Read the config.yaml beside ``weights``, if there is one."""
    path = weights.parent / "config.yaml"
    if not path.exists():
        return None
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: no configuration of an ESPnet model ({error})") from error
    if not isinstance(options, dict):
        raise DataError(f"{path}: no configuration of an ESPnet model; remove it or put the right one there")
    return options


def adopt_normalisation(weights: Path, folder: Path) -> dict[str, Any]:
    """Return ESPnet's options for normalising features as a recogniser, whose statistics go into ``folder``.

    ESPnet's global_mvn reads them from a file when a model is built; they are among its weights, too.
    """
    found, states = read_options(weights) or {}, read_states(weights)
    tensors = [states.get(f"normalize.{name}") for name in ("mean", "std")]
    if found.get("normalize") != "global_mvn" or any(tensor is None for tensor in tensors):
        raise ConfigError(
            f"{weights}: no config.yaml beside it says global_mvn, or its statistics are not in the weights; "
            "set model.normalisation to 'utterance' or 'utterance_mean'"
        )
    mean, deviation = (tensor.double().numpy() for tensor in tensors if tensor is not None)
    path = folder / STATISTICS
    np.savez(path, count=1, sum=mean, sum_square=deviation**2 + mean**2)
    return {
        "normalize": "global_mvn",
        "normalize_conf": {**(found.get("normalize_conf") or {}), "stats_file": str(path)},
    }


def refuse_other_encoder(options: Options, weights: Path) -> None:
    """Raise ConfigError when a recogniser's encoder or features are others than those of ``options``."""
    found = read_options(weights)
    if found is None:
        logger.warning("%s has no config.yaml beside it: its features and heads cannot be checked", weights)
        return
    refuse_difference(describe_encoder(options), describe_encoder(found), weights)


def refuse_other_decoder(options: Options, weights: Path, folder: Path) -> None:
    """Raise ConfigError when a translator's decoder or target tokens are others than this model's."""
    found = read_options(weights)
    if found is None or not (weights.parent / "tgt.model").is_file():
        raise DataError(
            f"{weights} has no config.yaml and tgt.model beside it; name a directory of train_model"
        )
    if Tokenizer(weights.parent / "tgt.model").checksum != Tokenizer(folder / "tgt.model").checksum:
        raise ConfigError(
            f"{weights.parent} has another target tokeniser: its decoder's vectors would mean other pieces; "
            "tokenise with the tokenisers of that model"
        )
    refuse_difference(describe_decoder(options), describe_decoder(found), weights)


def refuse_difference(wanted: Options, found: Options, weights: Path) -> None:
    """Raise ConfigError with everything that differs."""
    keys = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    if keys:
        listed = "; ".join(f"{key}: {found.get(key)} there, {wanted.get(key)} here" for key in keys)
        raise ConfigError(
            f"{weights} is another kind of model ({listed}); set the model's options to match it"
        )


def describe_encoder(options: Options) -> dict[str, Any]:
    """Return what the output of an encoder depends on besides its weights."""
    frontend = complete(DefaultFrontend, options.get("frontend_conf"))
    frontend["fs"] = int(str(frontend["fs"]).replace("k", "000"))
    frontend["win_length"] = frontend["win_length"] or frontend["n_fft"]
    described = {
        **{key: options.get(key) for key in ("frontend", "normalize", "preencoder", "encoder", "input_size")},
        **named("frontend_conf", frontend),
        **named("encoder_conf", complete(ConformerEncoder, options.get("encoder_conf"))),
    }
    layer = {"utterance_mvn": UtteranceMVN, "global_mvn": GlobalMVN}.get(options.get("normalize") or "")
    if layer is not None:
        described |= named("normalize_conf", complete(layer, options.get("normalize_conf")))
    return described


def describe_decoder(options: Options) -> dict[str, Any]:
    """Return what the output of a decoder depends on besides its weights."""
    decoder = complete(TransformerDecoder, options.get("decoder_conf"))
    return {"decoder": options.get("decoder"), **named("decoder_conf", decoder)}


def complete(module: type, options: Options | None) -> dict[str, Any]:
    """Return the options of an ESPnet module with its defaults for those that are not given."""
    parameters = inspect.signature(module).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    options = {**defaults, **(options or {})}
    return {key: value for key, value in options.items() if key not in NO_MATTER}


def named(prefix: str, options: Options) -> dict[str, Any]:
    """Return options by their name in config.yaml."""
    return {f"{prefix}.{key}": value for key, value in options.items()}
