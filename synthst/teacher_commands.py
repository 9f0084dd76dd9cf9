"""Stages 2 and 3: train a teacher or take one, and let it translate."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from synthst.cluster import Cluster
from synthst.datadir import new_directory, text_path
from synthst.errors import DataError
from synthst.espnet.bleu_curve import DevBleuConfig
from synthst.espnet.config import ModelConfig, TrainingConfig
from synthst.info import is_made, read_info, write_info
from synthst.lookup import check_store
from synthst.tables import read_table
from synthst.teacher.cluster import TeacherCluster
from synthst.teacher.decode import decode_corpus
from synthst.teacher.kinds import load_teacher, name_teacher
from synthst.teacher.plan import PartSize
from synthst.teacher.protocol import SearchSettings, Teacher
from synthst.tokens import write_tokens

logger = logging.getLogger(__name__)

COMPUTED_HERE = ("espnet", "ct2", "hf")  # kinds of teacher that use this machine's GPUs

type Options = dict[str, str | int | float | bool | list[str]]


def make_teacher(
    teacher: str,
    out: Path,
    *,
    data: Path,
    dev: Path,
    tokenizers: Path,
    sources: Path,
    src: str,
    tgt: str,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (frozen)
    training: TrainingConfig = TrainingConfig(),  # noqa: B008
    dev_bleu: DevBleuConfig = DevBleuConfig(),  # noqa: B008
    teacher_options: Options | None = None,
    init: Path | None = None,
    ngpu: int = 0,
    num_nodes: int = 1,
) -> None:
    """Train the teacher "own" on ``data`` into ``out``, or make ``out`` name one made elsewhere, KIND:PLACE.

    ``init`` is one of ours to begin with, ``teacher_options`` are another kind's, a file has all ``sources``.
    """
    if teacher != "own":
        return take_teacher(teacher, out, data=sources, src=src, tgt=tgt, options=teacher_options, ngpu=ngpu)
    from synthst.espnet.train import train_model  # torch takes seconds to load, a file needs none

    train_model(
        *(*write_both(out, data, dev, [src, tgt], tokenizers), out),
        src=src,
        tgt=tgt,
        tokenizers=tokenizers,
        model=model,
        training=training,
        dev_bleu=dev_bleu,
        init=init,
        labels={"targets": "teacher", "student": name_shape(model, tuned=init is not None)},
        ngpu=ngpu,
        num_nodes=num_nodes,
    )


def write_both(out: Path, data: Path, dev: Path, langs: list[str], tokenizers: Path) -> tuple[Path, Path]:
    """Write the tokens of the teacher's training and development sets beside it."""
    train, valid = (out.with_name(f"{out.name}_tokens_{part}") for part in ("train", "dev"))
    for texts, tokens in ((data, train), (dev, valid)):
        write_tokens(texts, tokens, langs=langs, tokenizers=tokenizers)
    return train, valid


def name_shape(model: ModelConfig, *, tuned: bool) -> str:
    """Return a teacher's layers as RESULTS.md tells them: 6x6, or 6x6 tuned."""
    return f"{model.encoder_layers}x{model.decoder_layers}{' tuned' if tuned else ''}"


def take_teacher(
    teacher: str,
    out: Path,
    *,
    data: Path,
    src: str,
    tgt: str | None = None,
    options: Mapping[str, object] | None = None,
    ngpu: int = 0,
) -> None:
    """Make the directory ``out`` that names a teacher made elsewhere, once it has translated a sentence."""
    made_by = {"step": "take_teacher", "teacher": teacher} | ({"options": dict(options)} if options else {})
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    device = "cuda" if ngpu else "cpu"
    loaded = load_teacher(
        teacher, SearchSettings(), data=data, src=src, tgt=tgt, device=device, options=options
    )
    _, first = next(read_table(text_path(data, src)))
    loaded.translate([first])
    with new_directory(out) as folder:
        identity = dict(loaded.identity)
        write_info(folder, made_by, teacher=teacher, options=dict(options or {}), identity=identity)


def find_teacher(
    teacher: str,
    settings: SearchSettings,
    *,
    data: Path,
    src: str,
    tgt: str | None = None,
    device: str,
    options: Mapping[str, object] | None = None,
) -> Callable[[], Teacher]:
    """Return what loads a teacher, named by KIND:PLACE, a pack or a directory."""
    info = read_info(Path(teacher)) if (Path(teacher) / "info.json").is_file() else {}
    if "teacher" in info:
        teacher, taken = str(info["teacher"]), info.get("options")
        options = options or (taken if isinstance(taken, dict) else None)
    else:
        teacher = name_teacher(teacher)
    return partial(
        load_teacher, teacher, settings, data=data, src=src, tgt=tgt, device=device, options=options
    )


def decode(
    teacher: str,
    data: Path,
    out: Path,
    *,
    src: str,
    tgt: str | None = None,
    search: SearchSettings = SearchSettings(),  # noqa: B008 (frozen)
    teacher_options: Options | None = None,
    part_tokens: int = PartSize.tokens,
    part_sentences: int = PartSize.sentences,
    shard: str = "1/1",
    cluster: str | None = None,
    ngpu: int = 0,
    check: bool = False,
) -> None:
    """Translate the sources of ``data`` into the translation store ``out``, but for those that it has.

    Multilingual teachers want ``tgt``; ``teacher_options`` are those of the teacher's kind. ``shard`` I/N is
    the I-th of N shares, for job arrays. ``cluster`` is local[:N], slurm[:FILE.yaml] or tcp://HOST:PORT, see
    `synthst.cluster`; several GPUs of this machine have a worker each without it. With ``check`` nothing is
    decoded: the store's completeness is told, and sentences that lack are an error.
    """
    if not check:
        device = "cuda" if ngpu else "cpu"
        load = find_teacher(
            teacher, search, data=data, src=src, tgt=tgt, device=device, options=teacher_options
        )
        fill = partial(decode_corpus, part_tokens=part_tokens, part_sentences=part_sentences, shard=shard)
        loaded = load()
        if ngpu > 1 and not cluster and loaded.identity.get("kind") in COMPUTED_HERE:
            cluster = "local"
        workers = TeacherCluster(Cluster(cluster, gpus=ngpu), load) if cluster else None
        fill(loaded, data, out, src=src, cluster=workers)
    found = check_store(out, text_path(data, src))
    if found.missing and (check or shard == "1/1"):
        raise DataError(f"{out}: {found}; decode {data} again without --check, it goes on where it stopped")
    print(f"{out}: {found}")
