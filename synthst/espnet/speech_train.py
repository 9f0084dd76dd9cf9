"""Train a recogniser or a speech translator on dumped audio and token arrays; see `train_model`."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthst.errors import ConfigError, SynthstError
from synthst.espnet.bleu_curve import DevBleuConfig
from synthst.espnet.course import Course
from synthst.espnet.finish import finish_training
from synthst.espnet.full_disk import explain_full_disk
from synthst.espnet.init import file_checksum
from synthst.espnet.launch import Machines
from synthst.espnet.settings import (
    claim_folder,
    copy_tokenizers,
    describe_tokens,
    describe_training,
    is_trained,
)
from synthst.espnet.speech_batches import SpokenRows, join_audio, refuse_short, refuse_two_rates
from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.speech_loss import count_unalignable
from synthst.espnet.speech_options import recogniser_options, training_options, translator_options
from synthst.espnet.speech_origin import (
    adopt_normalisation,
    find_weights,
    refuse_other_decoder,
    refuse_other_encoder,
)
from synthst.espnet.speech_task import SpeechTask, SpokenASRTask, SpokenSTTask
from synthst.espnet.tracking import tracking_options
from synthst.espnet.train import run_training
from synthst.tokens import Tokenizer, read_tokens
from synthst.unfinished import alone_in

logger = logging.getLogger(__name__)

Labels = dict[str, str | int | None]
Options = dict[str, Any]


@dataclass(frozen=True)
class SpeechData:
    """Where audio and tokens are; ``langs`` are the languages of the sides src (if there is one) and tgt."""

    tokens: Path
    valid_tokens: Path
    audio: tuple[Path, ...]
    valid_audio: tuple[Path, ...]
    tokenizers: Path
    langs: dict[str, str]

    def describe(self) -> dict[str, object]:
        """Return what identifies the data."""
        return {
            "tokens": describe_tokens(self.tokens),
            "valid_tokens": describe_tokens(self.valid_tokens),
            "audio": list(map(describe_tokens, self.audio)),
            "valid_audio": list(map(describe_tokens, self.valid_audio)),
            **self.langs,
        }


@dataclass(frozen=True)
class SpeechJob:
    """A training that was asked for; ``origins`` are files of weights by the part that begins with them."""

    task: type[SpeechTask]
    network_options: Callable[[SpeechModelConfig, int], Options]
    data: SpeechData
    model: SpeechModelConfig
    training: SpeechTrainingConfig
    init: InitConfig
    course: Course
    origins: dict[str, Path]
    machines: Machines


def train_recogniser(
    tokens: Path,
    valid_tokens: Path,
    out: Path,
    *,
    audio: Sequence[Path],
    valid_audio: Sequence[Path],
    lang: str,
    tokenizers: Path,
    model: SpeechModelConfig = SpeechModelConfig(),  # noqa: B008 (frozen)
    training: SpeechTrainingConfig = SpeechTrainingConfig(),  # noqa: B008
    labels: Labels | None = None,
    ngpu: int = 0,
    num_nodes: int = 1,
    cpu_processes: int = 1,
) -> None:
    """Train on the recordings in ``audio`` of the transcripts ``lang``; leave a finished directory ``out``.

    It is made, resumed, refused and spread over machines as `train_model` says, and holds the same files;
    tgt.model is the transcript's tokeniser and there is no src.model.
    """
    data = SpeechData(tokens, valid_tokens, tuple(audio), tuple(valid_audio), tokenizers, {"tgt": lang})
    task = SpokenASRTask, recogniser_options
    machines = Machines(ngpu, num_nodes, cpu_processes)
    run_job(SpeechJob(*task, data, model, training, InitConfig(), Course(), {}, machines), out, labels or {})


def train_speech_translator(
    tokens: Path,
    valid_tokens: Path,
    out: Path,
    *,
    audio: Sequence[Path],
    valid_audio: Sequence[Path],
    src: str,
    tgt: str,
    tokenizers: Path,
    model: SpeechModelConfig = SpeechModelConfig(),  # noqa: B008 (frozen)
    training: SpeechTrainingConfig = SpeechTrainingConfig(),  # noqa: B008
    asr: Path | None = None,
    mt: Path | None = None,
    init: InitConfig = InitConfig(),  # noqa: B008
    dev_bleu: DevBleuConfig = DevBleuConfig(),  # noqa: B008
    labels: Labels | None = None,
    ngpu: int = 0,
    num_nodes: int = 1,
    cpu_processes: int = 1,
) -> None:
    """Train on the recordings in ``audio`` of the sentences ``tgt``; leave a finished directory ``out``.

    ``asr`` is what the encoder begins with: a directory of ours or of ESPnet's, or a .pth file, with or
    without its config.yaml beside it. ``mt`` is a directory of `train_model` whose decoder this one's begins
    with. All their tensors are loaded, as init.json in ``out`` proves, or DataError is raised. Otherwise as
    `train_recogniser`; src.model is the transcript's tokeniser. ``dev_bleu``: see `train_model`.
    """
    if asr is None and init != InitConfig():
        raise ConfigError("init is about the encoder of a recogniser, and none is given; name one as asr")
    langs = {"src": src, "tgt": tgt}
    data = SpeechData(tokens, valid_tokens, tuple(audio), tuple(valid_audio), tokenizers, langs)
    origins = {part: find_weights(path) for part, path in {"encoder": asr, "decoder": mt}.items() if path}
    task = SpokenSTTask, translator_options
    machines = Machines(ngpu, num_nodes, cpu_processes)
    course = Course(dev_bleu=dev_bleu)
    run_job(SpeechJob(*task, data, model, training, init, course, origins, machines), out, labels or {})


def run_job(job: SpeechJob, out: Path, labels: Labels) -> None:
    """Train, unless ``out`` is there already; a run that stops before it trained leaves nothing."""
    if job.model.normalisation == "recogniser" and "encoder" not in job.origins:
        raise ConfigError("model.normalisation is the recogniser's, and none is given to begin with")
    settings = describe_job(job)
    if is_trained(out, settings):
        logger.info("%s is there already", out)
        return
    spoken = check_audio(job)
    folder = out.with_name(out.name + ".training")
    with alone_in(folder), explain_full_disk(folder):
        claim_folder(folder, settings)
        try:
            config = espnet_options(job, folder, spoken.rate)
            run_training(folder, config, job.task.name, job.machines)
        except SynthstError:
            if not any((folder / name).exists() for name in ("checkpoint.pth", "resume.pth")):
                shutil.rmtree(folder)
            raise
        labels = {"train_audio_seconds": round(spoken.hours * 3600), **labels}
        finish_training(folder, out, settings, labels, criterion=job.course.criterion)


def describe_job(job: SpeechJob) -> dict[str, Any]:
    """Return what determines the result."""
    origins = {
        part: {"path": str(path), "checksum": file_checksum(path)} for part, path in job.origins.items()
    }
    return {
        "task": job.task.name,
        **job.data.describe(),
        "origins": origins,
        "init": asdict(job.init),
        "model": asdict(job.model),
        "training": describe_training(job.training),
        **job.course.describe(),
    }


def check_audio(job: SpeechJob) -> SpokenRows:
    """Join audio and tokens of both sets, refuse what cannot be trained on, and return the training set's."""
    data, model = job.data, job.model
    train, valid = join_audio(data.tokens, data.audio), join_audio(data.valid_tokens, data.valid_audio)
    refuse_two_rates({train.rate: data.audio[0], valid.rate: data.valid_audio[0]})
    for spoken in (train, valid):
        refuse_short(spoken, model.fewest_samples(train.rate))
    if model.ctc_weight:
        transcripts = read_tokens(data.tokens, data.langs.get("src", data.langs["tgt"]))
        frames = model.encoder_frames(train.samples, train.rate)
        count = count_unalignable(transcripts, train.rows, frames)
        if count:
            logger.warning(
                "%s of %s recordings have more tokens than frames of the encoder's, CTC leaves them out",
                *(f"{count:,}", f"{len(frames):,}"),
            )
    return train


def espnet_options(job: SpeechJob, folder: Path, rate: int) -> Options:
    """Copy the tokenisers and return the configuration that ESPnet's task reads."""
    data, machines = job.data, job.machines
    copy_tokenizers(folder, [data.tokens, data.valid_tokens], data.tokenizers, data.langs)
    options = {
        "output_dir": str(folder),
        **data_options(data, folder),
        **job.network_options(job.model, rate),
        **training_options(job.training, job.init, rate, machines.ngpu_each, machines.processes),
        **job.course.options(),
        **tracking_options(job.training.tracking, folder),
        **{f"init_{part}": str(path) for part, path in job.origins.items()},
        "init_encoder_key": job.init.encoder_key,
    }
    if job.model.normalisation == "recogniser":
        options |= adopt_normalisation(job.origins["encoder"], folder)
    if "encoder" in job.origins:
        refuse_other_encoder(options, job.origins["encoder"])
    if "decoder" in job.origins:
        refuse_other_decoder(options, job.origins["decoder"], folder)
    return options


def data_options(data: SpeechData, folder: Path) -> Options:
    """Return ESPnet's options of audio and tokens."""
    options: Options = {
        "train_tokens": str(data.tokens),
        "valid_tokens": str(data.valid_tokens),
        "train_audio": list(map(str, data.audio)),
        "valid_audio": list(map(str, data.valid_audio)),
        "tgt_lang": data.langs["tgt"],
        "token_list": Tokenizer(folder / "tgt.model").token_list(),
        "bpemodel": "tgt.model",
    }
    if "src" in data.langs:
        options["src_lang"] = data.langs["src"]
        options["src_token_list"] = Tokenizer(folder / "src.model").token_list()
        options["src_bpemodel"] = "src.model"
    return options
