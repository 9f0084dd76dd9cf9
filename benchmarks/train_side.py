"""One of the sides of benchmarks/train.py: stock ESPnet or ours, in a process of its own."""

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import synthst.espnet.lean  # noqa: F401

# isort: split
import torch
from espnet2.tasks.abs_task import scheduler_classes
from espnet2.tasks.mt import MTTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from train_work import RATE, Work, fresh, read_translation, speech, translation

from synthst.espnet import unpadded
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.espnet.kernel_cache import NAMES
from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.speech_loss import ctc_per_token
from synthst.espnet.speech_options import training_options, translator_options
from synthst.espnet.task import TokenMTTask
from synthst.espnet.train import model_config, optimisation_config

COMPILER: Any = "inductor"
DISTINCT_SPEECH = 20
"""Batches of speech; a longer run trains on them again and again."""


@dataclass(frozen=True)
class Options:
    """What is measured; see benchmarks/train.py."""

    task: str
    side: str
    """stock, stock_amp (its mixed precision, GPU only), ours, ours_float32, ours_compiled (torch.compile)."""
    model: ModelConfig | SpeechModelConfig
    vocabulary: int
    batch: float
    """Source positions, or seconds of audio, in a batch."""
    batches: int
    learning_rate: float
    threads: int
    ngpu: int
    seed: int
    start: Path
    """File of the weights that all sides begin with."""
    tokens: Path | None = None
    langs: str = "en-de"

    @property
    def stock(self) -> bool:
        return self.side.startswith("stock")


@dataclass(frozen=True)
class Round:
    """What a run of some batches took."""

    wall: float
    processor: float
    losses: list[float]
    accuracies: list[float]
    peak_mb: float


def serve(options: Options, pipe: Connection) -> None:
    """Build the side, answer "ready", then train on the numbered batches that are asked for, until None."""
    sys.argv[1:] = []  # ESPnet's default configuration would read them
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.threads)
    if options.stock:  # as many kernels as oneDNN and torch keep by themselves
        for name in NAMES:
            os.environ.pop(name, None)
    work = make_work(options)
    with tempfile.TemporaryDirectory() as folder:
        side = Side(options, Path(folder))
        pipe.send("ready")
        while (numbers := pipe.recv()) is not None:
            pipe.send(side.train([work.batches[number] for number in numbers]))
    pipe.close()


def make_work(options: Options) -> Work:
    """Make the batches, at most as many as are asked for; the same for the same seed."""
    if options.task == "st":
        batches = min(
            options.batches, DISTINCT_SPEECH
        )  # 600 seconds each take 40 MB and a quarter of a second
        return speech(options.vocabulary, options.batch, batches, options.seed)
    if options.tokens:
        return read_translation(
            options.tokens, options.langs, int(options.batch), options.batches, options.seed
        )
    return translation(options.vocabulary, int(options.batch), options.batches, options.seed)


class Side:
    """A model, its optimiser and ESPnet's trainer."""

    def __init__(self, options: Options, folder: Path) -> None:
        task = choose_task(options)
        args = argparse.Namespace(**{**task.get_default_config(), **espnet_config(options, folder)})
        torch.manual_seed(options.seed)
        torch.backends.cudnn.benchmark = args.cudnn_benchmark  # as ESPnet's main() does
        torch.backends.cudnn.deterministic = args.cudnn_deterministic
        torch.backends.cudnn.allow_tf32 = options.side not in ("stock", "ours_float32")
        self.ngpu, self.task = options.ngpu, task
        self.model = task.build_model(args).to("cuda" if options.ngpu else "cpu")
        if not options.stock and options.task == "st":
            self.model.ctc.forward = partial(ctc_per_utterance, self.model.ctc)
        if options.start.exists():
            self.model.load_state_dict(torch.load(options.start, weights_only=True))
        else:
            torch.save(self.model.state_dict(), options.start)
        if options.side == "ours_compiled":
            compile_layers(self.model)
        self.optimizers = task.build_optimizers(args, self.model)
        self.schedulers = [scheduler_classes[args.scheduler](self.optimizers[0], **args.scheduler_conf)]
        self.scaler = torch.amp.GradScaler("cuda") if args.use_amp else None
        self.trainer_options = task.trainer.build_options(args)
        self.reporter = Reporter()

    def train(self, batches: list[Any]) -> Round:
        """Train one of ESPnet's epochs on these batches."""
        self.reporter.set_epoch(self.reporter.get_epoch() + 1)
        iterator = list(fresh(batches, pinned=self.ngpu > 0))
        with self.reporter.observe("train") as reporter:
            self.wait()
            started, processor = time.perf_counter(), time.process_time()
            self.task.trainer.train_one_epoch(
                model=self.model,
                optimizers=self.optimizers,
                schedulers=self.schedulers,
                iterator=iterator,
                reporter=reporter,
                scaler=self.scaler,
                summary_writer=None,
                options=self.trainer_options,
                distributed_option=DistributedOption(),
            )
            self.wait()
            taken = time.perf_counter() - started, time.process_time() - processor
            values = [[float(one.value) for one in reporter.stats[name]] for name in ("loss", "acc")]
        return Round(*taken, *values, self.peak_mb())

    def wait(self) -> None:
        if self.ngpu:
            torch.cuda.synchronize()

    def peak_mb(self) -> float:
        if self.ngpu:
            return torch.cuda.max_memory_allocated() / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def ctc_per_utterance(ctc: Any, *given: torch.Tensor) -> torch.Tensor:
    """Return our CTC loss with the scale of ESPnet's, so that the losses of the sides can be compared."""
    tokens = given[-1]
    return ctc_per_token(ctc, *given) * (tokens.sum() / len(tokens))


def compile_layers(model: Any) -> None:
    """Let torch compile the layers for any shape; the decoder's are not called, `decoder_layer` is."""
    for layer in model.encoder.encoders:
        layer.compile(dynamic=True, backend=COMPILER)
    unpadded.decoder_layer = torch.compile(unpadded.decoder_layer, dynamic=True, backend=COMPILER)


def choose_task(options: Options) -> Any:
    """Return ESPnet's task or ours."""
    if options.task == "mt":
        return MTTask if options.stock else TokenMTTask
    from synthst.espnet.speech_task import SpokenSTTask

    # isort: split
    from espnet2.tasks.st import STTask

    return STTask if options.stock else SpokenSTTask


def espnet_config(options: Options, folder: Path) -> dict[str, Any]:
    """Return ESPnet's options: ours as `synthst train` gives them, or those of the stock commands."""
    tokens = ["<blank>", "<unk>", *(f"t{number}" for number in range(options.vocabulary - 3)), "<sos/eos>"]
    schedule = {
        "learning_rate": options.learning_rate,
        "max_steps": 1_000_000,
        "warmup_steps": 100,
        "seed": options.seed,
    }
    config: dict[str, Any] = {"output_dir": str(folder), "token_list": tokens, "src_token_list": tokens}
    config |= {"init_weights": None, "token_type": None, "src_token_type": None, "log_interval": 10**9}
    bfloat16 = False if options.side == "ours_float32" else "auto"
    if isinstance(options.model, ModelConfig):
        training = TrainingConfig(**schedule, bfloat16=bfloat16)
        shared = model_config(options.model, shared_vocabulary=False)
        config |= {**shared, **optimisation_config(training, options.ngpu)}
    else:
        speech_training = SpeechTrainingConfig(**schedule, bfloat16=bfloat16)
        config |= {
            **translator_options(options.model, RATE),
            **training_options(speech_training, InitConfig(), RATE, options.ngpu),
        }
    return make_stock(config, options) if options.stock else config


def make_stock(config: dict[str, Any], options: Options) -> dict[str, Any]:
    """Say the same in ESPnet's own options, and nothing that only ours has."""
    config = {**config, "use_amp": options.side == "stock_amp", "scheduler": "exponentialdecaywarmup"}
    config["model_conf"] = {**config["model_conf"], "lsm_weight": options.model.label_smoothing}
    for part in ("encoder_conf", "decoder_conf"):
        config[part] = {key: value for key, value in config[part].items() if key != "use_sdpa"}
    config["optim_conf"] = {key: value for key, value in config["optim_conf"].items() if key != "fused"}
    return config


def training_flops(options: Options, batch: Any) -> float:
    """Return the floating-point operations of a training step that a batch needs, its padding not counted.

    Six for each weight of a matrix and row that it is multiplied with (Kaplan et al. 2020, section 2.1), and
    the products of attention; the Conformer's convolutions over time and frequency are left out, so that its
    share of the peak is a lower bound.
    """
    model, tensors = options.model, batch[1]
    width, inner = model.width, model.feedforward
    tgt = (tensors["text_lengths"] + 1).double()
    if isinstance(model, ModelConfig):
        src = (tensors["src_text_lengths"] + 1).double()
        layer = 4 * width**2 + 2 * width * inner
    else:
        src = tensors["speech_lengths"].double() / RATE * 1000 / model.hop_ms / model.subsampling
        layer = 4 * width**2 + 4 * width * inner + 3 * width**2
    memory = 2 * width**2 * model.decoder_layers
    encoder = (layer * model.encoder_layers + memory) * src + 2 * width * model.encoder_layers * src**2
    decoder = (6 * width**2 + 2 * width * inner) * model.decoder_layers + width * options.vocabulary
    attention = (
        width * tgt**2 + 2 * width * tgt * src
    ) * model.decoder_layers  # to the past: half of the square
    return float(6 * (encoder + decoder * tgt + attention).sum())
