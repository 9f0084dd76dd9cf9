"""Turn a model of the transformers library into a CTranslate2 directory, and prove that it is the same."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synthst.datadir import new_directory
from synthst.errors import ConfigError
from synthst.info import is_made, write_info
from synthst.teacher.ct2 import import_ctranslate2
from synthst.teacher.ct2_directory import CONVERTED
from synthst.teacher.hf import find_tasks, identify_model, load_config
from synthst.teacher.tokenizers import import_transformers

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

Quantisation = Literal["float32", "float16", "bfloat16", "int8", "int8_float16"]

LARGEST_DIFFERENCES = {"float32": 1e-3, "float16": 0.05, "bfloat16": 0.2, "int8": 0.25, "int8_float16": 0.25}
"""Between transformers' and CTranslate2's log probability of a token, on average, in nats."""
PAIRS, PAIR_TOKENS = 8, 16

Pair = tuple[list[int], list[int]]


def convert_model(
    model: str, out: Path, *, quantisation: Quantisation = "int8", revision: str | None = None
) -> None:
    """Write ``model``, a directory or a name on the hub, to ``out`` for CTranslate2, with its tokeniser.

    ``revision`` is of a model that is given by name. The result counts only if CTranslate2 then gives the log
    probabilities that transformers gives. Raises ConfigError for a model that CTranslate2 cannot represent.
    """
    import_ctranslate2()
    config = load_config(model, revision)
    origin = identify_model(model, revision)
    made_by = {"step": "convert", "origin": origin, "quantisation": quantisation}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    with new_directory(out) as folder:
        save_converted(model, folder, quantisation, revision)
        description = {
            "format": 1,
            "origin": origin,
            "quantisation": quantisation,
            "tasks": find_tasks(config),
        }
        (folder / CONVERTED).write_text(f"{json.dumps(description, indent=1)}\n", encoding="utf-8")
        difference = compare_log_probs(model, folder, quantisation, revision)
        write_info(folder, made_by, mean_difference=difference)
    size = (out / "model.bin").stat().st_size / 1e6
    logger.info(
        "%s: %s, %.1f MB, log probabilities within %.1e on average", out, quantisation, size, difference
    )


def save_converted(model: str, folder: Path, quantisation: Quantisation, revision: str | None) -> None:
    """Write model.bin, config.json, the vocabulary and the tokeniser's files into ``folder``."""
    transformers = import_transformers()
    converter = _make_converter(model, revision)
    try:
        converter.convert(str(folder / "ct2"), quantization=quantisation)
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(f"{model}: CTranslate2 cannot represent it ({error}); use hf:{model}") from error
    for path in sorted((folder / "ct2").iterdir()):
        shutil.move(path, folder / path.name)
    (folder / "ct2").rmdir()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, revision=revision)
    tokenizer.save_pretrained(str(folder))


def _make_converter(model: str, revision: str | None) -> Any:
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]
        def load_model(self, model_class: Any, name: str, **options: Any) -> Any:
            """Load the weights, and put into the configuration what CTranslate2 looks for there."""
            self._loaded = super().load_model(model_class, name, **options)
            complete_config(self._loaded.config)
            return self._loaded

        def load_tokenizer(self, tokenizer_class: Any, name: str, **options: Any) -> Any:
            """Load the tokeniser; CTranslate2 needs M2M-100's languages in the vocabulary, mBART's begin."""
            tokenizer = super().load_tokenizer(tokenizer_class, name, **options)
            if tokenizer.bos_token is None and tokenizer.cls_token is not None:
                tokenizer.bos_token = tokenizer.cls_token
            self._loaded.config.tokenizer_class = type(tokenizer).__name__
            vocabulary = {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}
            tokenizer.get_vocab = lambda: vocabulary
            return tokenizer

    return Converter(model, revision=revision)


def complete_config(config: Any) -> None:
    """Say in a configuration what transformers 5 no longer says there, but CTranslate2 4 reads."""
    if config.model_type in ("t5", "mt5", "umt5"):  # it took this for whether outputs are scaled
        config.tie_word_embeddings = getattr(config, "scale_decoder_outputs", False)
    normalises_first = {"mbart": True, "bart": False}.get(config.model_type)
    if normalises_first is not None and not hasattr(config, "normalize_before"):
        config.normalize_before = normalises_first


def compare_log_probs(model: str, converted: Path, quantisation: Quantisation, revision: str | None) -> float:
    """Return how far CTranslate2's log probabilities of random tokens are from transformers', on average.

    Raises ConfigError when it is more than the quantisation explains.
    """
    import torch

    transformers = import_transformers()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, revision=revision)
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        model, revision=revision, dtype=torch.float32
    ).eval()
    pairs = draw_pairs(tokenizer)
    found = torch.cat(score_converted(converted, tokenizer, pairs, quantisation))
    wanted = torch.cat([score_tokens(loaded, tokenizer, *pair) for pair in pairs])
    difference = float((found - wanted).abs().mean())
    if not difference <= LARGEST_DIFFERENCES[quantisation]:
        raise ConfigError(
            f"{model}: CTranslate2's log probabilities differ by {difference:.2g} from transformers' on "
            f"average, {quantisation} explains {LARGEST_DIFFERENCES[quantisation]}; this kind of model "
            f"cannot be converted with these versions, use hf:{model}"
        )
    return difference


def draw_pairs(tokenizer: Any) -> list[Pair]:
    """Draw random sources and targets of all but special tokens."""
    import torch

    special = set(tokenizer.all_special_ids)
    known = torch.tensor([token for token in sorted(tokenizer.get_vocab().values()) if token not in special])
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(len(known), (PAIRS, 2, PAIR_TOKENS), generator=generator)
    return [(source.tolist(), target.tolist()) for source, target in known[places]]


def score_converted(
    converted: Path, tokenizer: Any, pairs: Sequence[Pair], quantisation: Quantisation
) -> list["Tensor"]:
    """Return CTranslate2's log probability of every target token and of the end, for each pair."""
    import torch

    ctranslate2, tokens = import_ctranslate2(), tokenizer.convert_ids_to_tokens
    on_cpu = quantisation if quantisation in ("float32", "int8") else "float32"
    translator = ctranslate2.Translator(str(converted), compute_type=on_cpu, inter_threads=1)
    results = translator.score_batch(
        [[*tokens(source), tokenizer.eos_token] for source, _ in pairs],
        [tokens(target) for _, target in pairs],
        max_input_length=0,
    )
    return [torch.tensor(result.log_probs) for result in results]


def score_tokens(model: Any, tokenizer: Any, source: Sequence[int], target: Sequence[int]) -> "Tensor":
    """Return transformers' log probability of every target token and of the end, (target + 1,)."""
    import torch

    start = model.generation_config.decoder_start_token_id
    start = model.config.decoder_start_token_id if start is None else start
    eos = tokenizer.eos_token_id
    with torch.inference_mode():
        read = torch.tensor([[*source, eos]]), torch.tensor([[start, *target]])
        logits = model(input_ids=read[0], decoder_input_ids=read[1]).logits[0]
        if model.config.model_type == "marian":  # its padding is no token for CTranslate2
            logits[:, model.config.pad_token_id] = float("-inf")
    written = torch.tensor([*target, eos]).unsqueeze(1)
    return torch.log_softmax(logits.float(), dim=-1).gather(1, written).squeeze(1)
