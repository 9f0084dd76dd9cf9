"""Train an ESPnet translation model on token arrays, resume it, and average its best checkpoints."""

import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from synthst.errors import ConfigError
from synthst.espnet.bleu_curve import DevBleuConfig
from synthst.espnet.config import ModelConfig, ScheduleConfig, TrainingConfig
from synthst.espnet.course import Course
from synthst.espnet.finish import finish_training
from synthst.espnet.full_disk import explain_full_disk
from synthst.espnet.launch import Machines, join, launch
from synthst.espnet.settings import (
    claim_folder,
    copy_tokenizers,
    describe_tokens,
    describe_training,
    describe_weights,
    find_weights,
    is_trained,
)
from synthst.espnet.switch import SwitchConfig, plan_switch, refuse_other_sources
from synthst.espnet.team import Team
from synthst.espnet.tracking import tracking_options
from synthst.tokens import Tokenizer
from synthst.unfinished import alone_in

logger = logging.getLogger(__name__)

TASKS = {  # by the names that processes of one training tell each other
    "mt": ("synthst.espnet.task", "TokenMTTask"),
    "switch": ("synthst.espnet.switch_trainer", "SwitchTask"),
    "asr": ("synthst.espnet.speech_task", "SpokenASRTask"),
    "st": ("synthst.espnet.speech_task", "SpokenSTTask"),
}


@dataclass(frozen=True)
class TextJob:
    """A training that was asked for."""

    tokens: Path
    valid_tokens: Path
    langs: dict[str, str]
    tokenizers: Path
    model: ModelConfig
    training: TrainingConfig
    init: Path | None
    course: Course
    machines: Machines


def train_model(
    tokens: Path,
    valid_tokens: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    tokenizers: Path,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (frozen)
    training: TrainingConfig = TrainingConfig(),  # noqa: B008
    init: Path | None = None,
    switch_to: Path | None = None,
    switch_at: int | str | None = None,
    switch: SwitchConfig = SwitchConfig(),  # noqa: B008
    dev_bleu: DevBleuConfig = DevBleuConfig(),  # noqa: B008
    labels: dict[str, str | int | None] | None = None,
    ngpu: int = 0,
    num_nodes: int = 1,
    cpu_processes: int = 1,
) -> None:
    """Train on ``tokens`` and leave a finished model directory ``out``; ``labels`` go into its train.json.

    With ``ngpu`` GPUs on each of ``num_nodes`` machines, or ``cpu_processes`` on a CPU, a step has the same
    batches as with one; see docs/cluster.md. Only the first node finds the model finished when it returns.

    ``init`` is a trained model of the same shape and tokenisers to begin with, for fine-tuning.

    ``switch_to`` has other targets of the same sources, which take over after ``switch_at``: a step, epoch:N
    (the N-th validation) or plateau (``switch.patience`` validations without a lower loss). Only checkpoints
    after the switch are averaged. ``dev_bleu`` measures BLEU by greedy search on ``valid_tokens`` on the way,
    into dev_bleu.csv, and changes no step; it may choose the checkpoints. See also `run_job`.
    """
    langs, machines = {"src": src, "tgt": tgt}, Machines(ngpu, num_nodes, cpu_processes)
    course = Course(plan_switch(switch_to, switch_at, switch, training), dev_bleu)
    job = TextJob(tokens, valid_tokens, langs, tokenizers, model, training, init, course, machines)
    run_job(job, out, labels or {})


def run_job(job: TextJob, out: Path, labels: dict[str, str | int | None]) -> None:
    """Train, unless ``out`` is there already.

    While training, the directory is ``out`` with ``.training`` behind its name; killed at any moment and
    started again, it goes on: on a CPU to the same result, on a GPU but for rounding. ``out`` then holds
    model.pth (the average of the best checkpoints), config.yaml (ESPnet's), src.model and tgt.model
    (SentencePiece), train.json, train.log and train_losses.tsv (a row per batch).
    Raises ConfigError when ``out`` or the unfinished training was made with other settings.
    """
    settings = describe_job(job)
    if is_trained(out, settings):
        logger.info("%s is there already", out)
        return
    course, other = job.course, job.course.tokens
    if other:
        refuse_other_sources(job.tokens, other, job.langs["src"])
    folder = out.with_name(out.name + ".training")
    with alone_in(folder), explain_full_disk(folder):
        claim_folder(folder, settings)
        token_sets = [job.tokens, job.valid_tokens, *([other] if other else [])]
        copy_tokenizers(folder, token_sets, job.tokenizers, job.langs)
        run_training(
            folder, espnet_config(folder, job), "switch" if course.is_special else "mt", job.machines
        )
        finish_training(
            folder, out, settings, {**labels, **course.labels(folder)}, criterion=course.criterion
        )


def describe_job(job: TextJob) -> dict[str, Any]:
    """Return what determines the result."""
    return {
        **job.langs,
        "init": job.init and describe_weights(job.init),
        "tokens": describe_tokens(job.tokens),
        "valid_tokens": describe_tokens(job.valid_tokens),
        "model": asdict(job.model),
        "training": describe_training(job.training),
        **job.course.describe(),
    }


def espnet_config(folder: Path, job: TextJob) -> dict[str, Any]:
    """Return the configuration that ESPnet's MT task reads."""
    src_tokens = Tokenizer(folder / "src.model").token_list()
    tgt_tokens = Tokenizer(folder / "tgt.model").token_list()
    return {
        "output_dir": str(folder),
        "train_tokens": str(job.tokens),
        "valid_tokens": str(job.valid_tokens),
        "src_lang": job.langs["src"],
        "tgt_lang": job.langs["tgt"],
        "src_token_list": src_tokens,
        "token_list": tgt_tokens,
        "bpemodel": "tgt.model",
        "src_bpemodel": "src.model",
        "use_preprocessor": False,
        **model_config(job.model, shared_vocabulary=src_tokens == tgt_tokens),
        **optimisation_config(job.training, job.machines.ngpu_each, job.machines.processes),
        **tracking_options(job.training.tracking, folder),
        "batch_tokens": job.training.tokens_per_batch,
        "bucket_by": job.training.bucket_by,
        "init_weights": job.init and find_weights(folder, job.init),
        **job.course.options(),
    }


def model_config(model: ModelConfig, *, shared_vocabulary: bool) -> dict[str, Any]:
    """Return ESPnet's options of encoder, decoder and loss."""
    layer = {
        "attention_heads": model.heads,
        "linear_units": model.feedforward,
        "dropout_rate": model.dropout,
        "positional_dropout_rate": model.dropout,
        "use_sdpa": True,
    }
    attention_dropout = {
        "self_attention_dropout_rate": model.attention_dropout,
        "src_attention_dropout_rate": model.attention_dropout,
    }
    return {
        "frontend": "embed",
        "frontend_conf": {"embed_dim": model.width, "positional_dropout_rate": model.dropout},
        "encoder": "transformer",
        "encoder_conf": {
            **layer,
            "output_size": model.width,
            "num_blocks": model.encoder_layers,
            "attention_dropout_rate": model.attention_dropout,
            "input_layer": None,
            "normalize_before": True,
        },
        "decoder": "transformer",
        "decoder_conf": {**layer, **attention_dropout, "num_blocks": model.decoder_layers},
        "model_conf": {
            "report_bleu": False,
            "length_normalized_loss": True,
            "share_decoder_input_output_embed": model.tied_embeddings,
            "share_encoder_decoder_input_embed": model.tied_embeddings and shared_vocabulary,
        },
        "label_smoothing": model.label_smoothing,
    }


def optimisation_config(training: ScheduleConfig, ngpu: int, processes: int = 1) -> dict[str, Any]:
    """Return ESPnet's options of optimiser, schedule, length and checkpoints.

    ``ngpu`` is 1 if a process has a GPU; batches are counted over all ``processes``.
    """
    bfloat16 = training.bfloat16 is True or (training.bfloat16 == "auto" and has_bfloat16(ngpu))
    if bfloat16 and ngpu and not has_bfloat16(ngpu):
        raise ConfigError("training.bfloat16 is true, but this GPU has none; set it to auto or to false")
    return {
        "ngpu": ngpu,
        "multiprocessing_distributed": False,  # processes are started by torch's launcher
        "dist_backend": "nccl" if ngpu else "gloo",
        "seed": training.seed,
        "num_workers": training.workers,
        "use_amp": bfloat16 and ngpu > 0,
        "cpu_bfloat16": bfloat16 and ngpu == 0,
        "batches_per_epoch": training.validate_every * training.accumulate,
        "max_batches": training.max_steps * training.accumulate,
        "batches_per_step": training.accumulate,
        "max_epoch": training.epochs,
        "accum_grad": Team(0, processes, training.accumulate).rounds,
        "grad_clip": training.clip_norm,
        "optim": "adam",
        "optim_conf": {"lr": training.learning_rate, "betas": [0.9, 0.98], "eps": 1e-9, "fused": True},
        "scheduler": "exponentialdecaywarmup",
        "scheduler_conf": {
            "max_lr": training.learning_rate,
            "min_lr": training.min_learning_rate,
            "total_steps": training.max_steps,
            "warmup_steps": training.warmup_steps,
            "warm_from_zero": True,
        },
        "best_model_criterion": [["valid", "loss", "min"]],
        "keep_nbest_models": [min(training.average_best, training.epochs)],
        "patience": None,
        "resume": True,
        "use_matplotlib": False,
        "num_att_plot": 0,
    }


def has_bfloat16(ngpu: int) -> bool:
    """Tell whether the GPU, or the CPU, multiplies bfloat16 matrices in hardware."""
    if ngpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def run_training(folder: Path, config: dict[str, Any], task: str, machines: Machines) -> None:
    """Hand the configuration to ESPnet's tasks in all processes as a file, as its own recipes do."""
    path = folder / "espnet.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    launch(run_espnet, folder, task, machines)


def run_espnet(folder: Path, task: str) -> None:
    """Train in this process; the first of several writes the log."""
    path = folder / "espnet.yaml"
    module, name = TASKS[task]
    logged = log_to(folder / "train.log") if os.environ.get("RANK", "0") == "0" else nullcontext()
    with logged, warnings.catch_warnings(), explain_full_disk(folder):
        warnings.filterwarnings("ignore", "No valid stats found")  # of scores that it does not compute
        getattr(importlib.import_module(module), name).main(cmd=["--config", str(path)])


def join_training(folder: Path, *, node_rank: int | None = None) -> None:
    """Train along in ``folder``, which `train_model` on the first node names, until that training ends.

    ``node_rank`` is this node's number, from 1; in a Slurm job's step it is Slurm's.
    """
    join(run_espnet, folder, node_rank)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send everything that is logged, ESPnet's lines too, to a file as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
