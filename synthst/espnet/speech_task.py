"""ESPnet's ASR and ST tasks, with our batches, losses and initialisation."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from synthst.espnet.lean import lean_imports

# isort: split
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption

with lean_imports():
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.st import STTask

from synthst.espnet.init import Part, initialise, write_report
from synthst.espnet.loss import SmoothedCrossEntropy
from synthst.espnet.measuring_trainer import add_dev_bleu
from synthst.espnet.speech_batches import read_spoken
from synthst.espnet.speech_fast import speed_up_speech
from synthst.espnet.speech_loss import ctc_per_token
from synthst.espnet.speech_trainer import SpeechTrainer, split_encoder
from synthst.espnet.task import add_batch_arguments, build_batches, is_first_process, scale_embeddings
from synthst.espnet.team import take_shares


class SpeechTask:
    """What the two tasks share; comes before ESPnet's task among the bases."""

    trainer = SpeechTrainer
    main: ClassVar[Callable[..., None]]
    name: ClassVar[str]
    criterion: ClassVar[str]
    """What ESPnet's model calls the loss of its decoder."""

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add where audio and tokens are, what a batch is, and what the model begins with."""
        super().add_task_arguments(parser)  # type: ignore[misc]
        group = parser.add_argument_group("Audio and token arrays")
        for name in ("train", "valid"):
            group.add_argument(f"--{name}_tokens", help="directory of token arrays")
            group.add_argument(f"--{name}_audio", nargs="+", default=[], help="directories of audio")
        group.add_argument("--src_lang", default=None)
        group.add_argument("--tgt_lang")
        group.add_argument("--batch_samples", type=int, help="samples in a batch, padding included")
        add_batch_arguments(group)
        group.add_argument("--label_smoothing", type=float, default=0.1)
        group.add_argument("--subsampling_channels", type=int, default=None)
        group.add_argument("--init_encoder", default=None, help="file of a recogniser's weights")
        group.add_argument("--init_encoder_key", default="encoder")
        group.add_argument("--init_decoder", default=None, help="file of a translator's weights")
        add_dev_bleu(parser)
        group.add_argument("--frozen_steps", type=int, default=0)
        group.add_argument("--encoder_learning_rate", type=float, default=1.0, help="a factor")

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> Any:
        """Build ESPnet's model and change what `adapt_model` says."""
        return adapt_model(super().build_model(args), args, cls.criterion)  # type: ignore[misc]

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: Any) -> list[torch.optim.Optimizer]:
        """Load what the model begins with, which ESPnet asks for no other time than before training."""
        parts = find_parts(args)
        if parts:
            report = initialise(model, parts)
            if is_first_process():
                write_report(report, Path(args.output_dir))
        (optimizer,) = super().build_optimizers(args, model)  # type: ignore[misc]
        return [split_encoder(optimizer, model.encoder, args.encoder_learning_rate)]

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Return the batches of ``mode`` ("train" or "valid")."""
        tokens, audio = (getattr(args, f"{mode}_{kind}") for kind in ("tokens", "audio"))
        langs = {"text": args.tgt_lang, "src_text": args.src_lang}
        dataset = read_spoken(
            Path(tokens), list(map(Path, audio)), {name: lang for name, lang in langs.items() if lang}
        )
        return build_batches(dataset, args, distributed_option, mode, batch_tokens=args.batch_samples)


class SpokenASRTask(SpeechTask, ASRTask):  # type: ignore[misc]  # espnet2 has no types
    """ESPnet's ASR task on dumped audio."""

    name = "asr"
    criterion = "criterion_att"


class SpokenSTTask(SpeechTask, STTask):  # type: ignore[misc]
    """ESPnet's ST task on dumped audio."""

    name = "st"
    criterion = "criterion_st"


def find_parts(args: argparse.Namespace) -> list[Part]:
    """Return the parts of a model that begin with those of others."""
    parts = []
    if args.init_encoder:
        parts.append(Part("encoder", Path(args.init_encoder), args.init_encoder_key))
        if args.normalize == "global_mvn":
            parts.append(Part("normalize", Path(args.init_encoder), "normalize"))
    if args.init_decoder:
        parts.append(Part("decoder", Path(args.init_decoder), "decoder"))
    return parts


def adapt_model(model: Any, args: argparse.Namespace, criterion: str) -> Any:
    """Replace the losses, narrow the subsampling, scale embeddings, and compute in bfloat16 if asked to.

    A model that ESPnet itself trained keeps its own losses.
    """
    smoothing = getattr(args, "label_smoothing", None)
    if smoothing is not None:
        setattr(model, criterion, SmoothedCrossEntropy(model.vocab_size, smoothing, model.ignore_id))
        if getattr(model, "ctc", None) is not None:
            model.ctc.forward = partial(ctc_per_token, model.ctc)
    channels = getattr(args, "subsampling_channels", None)
    if channels is not None:
        narrow_subsampling(model.encoder.embed, channels)
    if smoothing is not None:
        speed_up_speech(model)
    take_shares(model)
    scale_embeddings(model)
    if getattr(args, "cpu_bfloat16", False):  # the trainer's own autocast is for GPUs only
        model.frontend.forward = torch.autocast("cpu", enabled=False)(model.frontend.forward)
        model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    return model


def narrow_subsampling(embed: Any, channels: int) -> None:
    """Give the convolutions of ESPnet's Conv2dSubsampling fewer channels than the encoder is wide."""
    convolutions = [layer for layer in embed.conv if isinstance(layer, torch.nn.Conv2d)]
    width = convolutions[0].out_channels
    layers: list[torch.nn.Module] = []
    for number, layer in enumerate(convolutions):
        inputs = channels if number else 1
        kernel, stride = layer.kernel_size[0], layer.stride[0]  # ESPnet's are square
        layers += [torch.nn.Conv2d(inputs, channels, kernel, stride), torch.nn.ReLU(True)]
    embed.conv = torch.nn.Sequential(*layers)
    embed.conv.to(memory_format=torch.channels_last)  # faster when narrow
    embed.out = torch.nn.Linear(embed.out.in_features // width * channels, embed.out.out_features)
