"""The commands `synthst pack` and `synthst unpack`: a trained model as one file with its card, and back."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from synthst.errors import DataError
from synthst.pack.card import Card, Taught, write_card
from synthst.pack.espnet_meta import META, write_meta
from synthst.pack.licences import (
    NOT_STATED,
    Known,
    Licence,
    find_corpus_licences,
    find_teacher_licence,
    read_licences,
)
from synthst.pack.lineage import (
    LINEAGE,
    Origin,
    find_teachers,
    read_recorded,
    recorded_origin,
    teacher_folder,
    trace_model,
    trace_targets,
)
from synthst.pack.names import find_paths, shorten_paths, with_short_paths
from synthst.pack.portable import read_portable, write_portable
from synthst.pack.results import select_results
from synthst.pack.scores import count_cut_off, read_rivals, read_scores
from synthst.pack.writers import find_writer
from synthst.packfile import unpack as unpack_file
from synthst.packfile import write_packfile
from synthst.report.rows import read_json
from synthst.versions import describe_versions

logger = logging.getLogger(__name__)

FILES = ("config.yaml", "model.pth", "src.model", "tgt.model", "feats_stats.npz", "train.json", "init.json")
TRAINED = ("parameters", "steps", "train_sentences", "valid_loss", "finished")


def pack(
    model: Path,
    out: Path,
    *,
    results: Path | None = None,
    licences: Path | None = None,
    licence: str | None = None,
) -> None:
    """Write the trained model in the directory ``model`` into the one file ``out``, to be shared and loaded.

    It holds config, weights, tokenisers, train.json, the sections of ``results`` (RESULTS.md) with this
    model's scores, lineage.json, and README.md, a model card: training data with what was kept and dropped,
    the teacher's identity and search, licences, filters and scores. ``licences`` is a file like
    conf/licences.yaml, ``licence`` the model's own.
    `synthst translate --model FILE` and `load_model` take the file as they take the directory; ESPnet's own
    `unpack` takes it too. A pack of an earlier state is replaced. Raises DataError when the training is not
    finished.
    """
    train = read_train(model)
    files: dict[str, Path | str] = {name: model / name for name in FILES if (model / name).is_file()}
    if results is not None:
        files["RESULTS.md"] = select_results(results, model)
    card = make_card(model, train, read_licences(licences), licence)
    files |= write_portable(model, card.short)
    files["README.md"] = write_card(card)
    lineage = with_short_paths(describe_lineage(card), card.short)
    files[LINEAGE] = json.dumps(lineage, indent=1, ensure_ascii=False, default=str)
    if meta := write_meta(card.task, train, card.versions):
        files[META] = meta
    about = {"name": card.name, "task": card.task, "src": card.src, "tgt": card.tgt}
    if write_packfile(out, files, {**about, "versions": card.versions}):
        logger.info("%s: %s, %.1f MB", out, card.name, out.stat().st_size / 1e6)
    else:
        logger.info("%s is there already", out)
    if licence is None:
        logger.warning("%s: the card states no licence of the model itself; give --licence", out)


def unpack(pack: Path, out: Path) -> None:
    """Make the model directory ``out`` of a pack, for commands that want a directory."""
    unpack_file(pack, out)


def read_train(model: Path) -> dict[str, Any]:
    """Read a model's train.json; raises DataError when its training is not finished."""
    train = read_json(model / "train.json")
    missing = [name for name in ("model.pth", "config.yaml", "tgt.model") if not (model / name).is_file()]
    if not train or missing:
        lacking = ", ".join(missing or ["train.json"])
        raise DataError(f"{model} lacks {lacking}: no model that was trained here; finish stage 8 first")
    return train


def make_card(model: Path, train: dict[str, Any], known: Known, licence: str | None) -> Card:
    """Gather what the card tells."""
    origins = trace_model(model)
    taught = find_teachers(origins)
    teachers = read_recorded(model, "teachers", partial(recorded_teacher, known=known))
    teachers = teachers or [describe_teacher(origin, known) for origin in taught]
    ours = [one for teacher in teachers for one in teacher.data]
    corpora = [*origins, *(one for one in ours if one.path not in {origin.path for origin in origins})]
    scores, notes = read_scores(model)
    settings = train["settings"]
    return Card(
        name=model.name,
        task=settings.get("task", "mt"),
        src=settings.get("src") or "",
        tgt=settings["tgt"],
        licence=licence,
        train=train,
        origins=origins,
        teachers=teachers,
        writer=find_writer(trace_targets(model), train.get("targets"), is_taught=bool(teachers)),
        licences=find_corpus_licences(corpora, known),
        scores=scores,
        rivals=read_rivals(model, train, [place for origin in taught if (place := teacher_folder(origin))]),
        cut_off=count_cut_off(model),
        notes=[*notes, *_lost(origins)],
        versions=dict(describe_versions()),
        short=_shorten(model, [*origins, *ours], teachers),
    )


def _shorten(model: Path, origins: Sequence[Origin], teachers: Sequence[Taught]) -> dict[str, str]:
    """Return the names of all directories that the pack's files name, by their paths."""
    told = [[one.options for one in origins], [dict(one.identity) for one in teachers], read_portable(model)]
    return shorten_paths({origin.path for origin in origins} | find_paths(told))


def describe_teacher(origin: Origin, known: Known) -> Taught:
    """Say who translated the data directory ``origin``; of a teacher of our own, what it was trained on."""
    identity, folder = origin.teacher or {}, teacher_folder(origin)
    told, direction = (identity, origin.search or {}), _direction(origin)
    train = read_json(folder / "train.json") if folder else {}
    if folder and train:
        trained = {key: train[key] for key in TRAINED if key in train}
        data = tuple(trace_model(folder))
        return Taught(*told, find_teacher_licence("", {}), trained, data, direction=direction)
    taken = str(read_json(folder / "info.json").get("teacher", "")) if folder else ""
    name = taken or str(identity.get("name", "unknown"))
    return Taught(*told, find_teacher_licence(name, known), direction=direction)


def recorded_teacher(told: dict[str, Any], known: Known) -> Taught:
    """Make a teacher of its JSON values; its licence may be known only now."""
    recorded = Licence(**told["licence"])
    found = find_teacher_licence(recorded.of, known)
    licence = recorded if found.licence == NOT_STATED else found
    return Taught(**{**told, "licence": licence, "data": tuple(map(recorded_origin, told["data"]))})


def describe_lineage(card: Card) -> dict[str, object]:
    """Return what the card tells as JSON values."""
    return {
        "origins": [asdict(origin) for origin in card.origins],
        "teachers": [asdict(taught) for taught in card.teachers],
        "licences": [asdict(one) for one in card.licences],
    }


def _direction(origin: Origin) -> str:
    """Return what the teacher of ``origin`` translated: en to de."""
    return " to ".join(str(origin.options[key]) for key in ("src", "tgt") if origin.options.get(key))


def _lost(origins: Sequence[Origin]) -> list[str]:
    short = shorten_paths(origin.path for origin in origins)
    lost = [short[str(origin.path)] for origin in origins if not origin.step]
    return [f"where {', '.join(lost)} came from is not known here"] if lost else []
