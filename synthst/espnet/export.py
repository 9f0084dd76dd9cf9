"""Turn a trained ESPnet MT model into a CTranslate2 directory, which translates without torch."""

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.mt.espnet_model import ESPnetMTModel
from torch import Tensor

from synthst.datadir import new_directory
from synthst.errors import ConfigError, install_command
from synthst.espnet.export_spec import build_spec, check_exportable
from synthst.espnet.load import TrainedModel, load_model
from synthst.info import is_made, write_info

logger = logging.getLogger(__name__)

FORMAT = 1
DESCRIPTION = "synthst_export.json"
POSITIONS = 4096
"""Tokens of a source or target that an exported model can read or write: CTranslate2 keeps a table."""
LARGEST_DIFFERENCE = 1e-3
"""Between ESPnet's and CTranslate2's float32 log probabilities of a token, in nats."""

Quantisation = Literal["float32", "int8"]


def export_model(model: Path, out: Path, *, quantisation: Quantisation = "int8") -> None:
    """Write the ESPnet MT model in ``model`` to ``out`` as a CTranslate2 model with its tokenisers.

    ``float32`` keeps the weights as they are, ``int8`` makes them a quarter as large and faster on a CPU.
    Before the weights are quantised, CTranslate2 must compute what ESPnet computes. Raises ConfigError for a
    model that CTranslate2 cannot represent, DataError when ``out`` is something else.
    """
    require_ctranslate2()
    trained = load_model(model)
    origin = {
        "name": model.name,
        "weights_sha256": trained.checksum,
        "src_tokenizer_sha256": trained.src_tokenizer.checksum,
        "tgt_tokenizer_sha256": trained.tgt_tokenizer.checksum,
    }
    made_by = {"step": "export", "origin": origin, "quantisation": quantisation, "positions": POSITIONS}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    check_exportable(trained.model)
    difference = compare_log_probs(trained)
    with new_directory(out) as folder:
        save_model(trained, folder, quantisation)
        description = {
            "format": FORMAT,
            "origin": origin,
            "quantisation": quantisation,
            "max_positions": POSITIONS,
            "source_begins_with": "<sos/eos>",
            "source_ends_with": None,
        }
        (folder / DESCRIPTION).write_text(f"{json.dumps(description, indent=1)}\n", encoding="utf-8")
        write_info(folder, made_by, parents=[model], largest_difference=difference)
    size = (out / "model.bin").stat().st_size / 1e6
    logger.info(
        "%s: %s, %.1f MB, log probabilities within %.1e of ESPnet's", out, quantisation, size, difference
    )


def require_ctranslate2() -> None:
    """Raise ConfigError with the remedy when CTranslate2 is not installed."""
    try:
        import ctranslate2  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"exporting needs the package ctranslate2, which is not installed; {install_command('ct2')}"
        ) from None


def save_model(trained: TrainedModel, folder: Path, quantisation: Quantisation) -> None:
    """Write model.bin, config.json, the vocabularies and the tokenisers into ``folder``."""
    tokens = trained.src_tokenizer.token_list(), trained.tgt_tokenizer.token_list()
    save_weights(trained.model, *tokens, folder, quantisation)
    shutil.copyfile(trained.src_tokenizer.path, folder / "src.model")
    shutil.copyfile(trained.tgt_tokenizer.path, folder / "tgt.model")


def save_weights(
    model: ESPnetMTModel,
    src_tokens: Sequence[str],
    tgt_tokens: Sequence[str],
    folder: Path,
    quantisation: Quantisation,
) -> None:
    """Write model.bin, config.json and the vocabularies into ``folder``."""
    spec = build_spec(model, src_tokens, tgt_tokens, positions=POSITIONS)
    spec.validate()
    spec.optimize(quantisation)
    spec.save(str(folder))


def compare_log_probs(trained: TrainedModel, sentences: int = 8, longest: int = 30) -> float:
    """Return the largest difference of a token's log probability between CTranslate2, float32, and ESPnet.

    The pairs are random tokens. Raises ConfigError when it is more than rounding explains.
    """
    model, generator = trained.model, torch.Generator().manual_seed(0)
    pairs = [
        (
            _draw_tokens(model.src_vocab_size, length, generator),
            _draw_tokens(model.vocab_size, longest + 1 - length, generator),
        )
        for length in torch.linspace(1, longest, sentences).int().tolist()
    ]
    tokens = trained.src_tokenizer.token_list(), trained.tgt_tokenizer.token_list()
    with tempfile.TemporaryDirectory() as temporary:
        save_weights(model, *tokens, Path(temporary), "float32")
        exported = score_exported(Path(temporary), *tokens, pairs)
    largest = 0.0
    for pair, found in zip(pairs, exported, strict=True):
        largest = max(largest, float((torch.tensor(found) - score_tokens(model, *pair)).abs().max()))
    if not largest <= LARGEST_DIFFERENCE:
        raise ConfigError(
            f"{trained.directory}: CTranslate2's log probabilities differ by {largest:.2g} from ESPnet's, at "
            f"most {LARGEST_DIFFERENCE} is rounding; this kind of model cannot be exported, decode it with "
            f"espnet:{trained.directory}"
        )
    return largest


def _draw_tokens(vocabulary: int, count: int, generator: torch.Generator) -> list[int]:
    found: list[int] = torch.randint(2, vocabulary - 1, (count,), generator=generator).tolist()
    return found


def score_exported(
    directory: Path,
    src_tokens: Sequence[str],
    tgt_tokens: Sequence[str],
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> list[list[float]]:
    """Return CTranslate2's log probability of every target token and of the end, for each pair of ids."""
    import ctranslate2

    translator = ctranslate2.Translator(str(directory), compute_type="float32", intra_threads=1)
    results: list[Any] = translator.score_batch(
        [[src_tokens[token] for token in source] for source, _ in pairs],
        [[tgt_tokens[token] for token in target] for _, target in pairs],
        max_input_length=0,
    )
    return [result.log_probs for result in results]


@torch.inference_mode()
def score_tokens(model: ESPnetMTModel, source: Sequence[int], target: Sequence[int]) -> Tensor:
    """Return ESPnet's log probability of every target token and of the end, (target + 1,)."""
    encoded, lengths = model.encode(torch.tensor([source]), torch.tensor([len(source)]))
    read = torch.tensor([[model.sos, *target]])
    logits, _ = model.decoder(encoded, lengths, read, torch.tensor([read.size(1)]))
    written = torch.tensor([*target, model.eos]).unsqueeze(1)
    return torch.log_softmax(logits[0].float(), dim=-1).gather(1, written).squeeze(1)
