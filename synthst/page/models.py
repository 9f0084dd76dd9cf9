"""Find the trained models below a folder, and what is known of each on every test set it has decoded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synthst.analysis.models import read_labels, read_training
from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.report.rows import TEACHER, ResultRow, read_json, read_row
from synthst.score import is_stale

REAL = "real"


@dataclass(frozen=True)
class Decoded:
    """A test set that a model has decoded.

    ``references`` is the table that it was scored against, None where that is not found or has changed.
    ``error_rate`` is a recogniser's, in percent.
    """

    row: ResultRow
    hypotheses: Path
    references: Path | None
    error_rate: float | None = None


@dataclass(frozen=True)
class Model:
    """A trained model; ``experiment`` is its folder, relative to the one that is looked through.

    ``role`` is real, synthetic, teacher or recogniser. ``row`` is what is known of its training. ``stores``
    are the translation stores, as they were written down, from which it learnt.
    """

    directory: Path
    experiment: str
    role: str
    src: str | None
    tgt: str
    seed: str
    finished: str
    row: ResultRow
    decoded: tuple[Decoded, ...]
    stores: tuple[Path, ...] = ()


def find_models(exp: Path) -> list[Model]:
    """Return the models below ``exp`` in order of their paths; what is unfinished is left out."""
    models = [read_model(path.parent, exp) for path in list_files(exp, "train.json")]
    if not models:
        raise DataError(f"no trained model is below {exp}; run stage 8 first, or name another folder")
    return models


def list_files(exp: Path, pattern: str) -> Iterator[Path]:
    """Yield files below ``exp`` in order, without those in a folder whose name begins with a dot."""
    for path in sorted(exp.rglob(pattern)):
        if not any(part.startswith(".") for part in path.relative_to(exp).parts):
            yield path


def read_model(directory: Path, exp: Path) -> Model:
    """Read train.json and the test sets of a model."""
    trained = read_training(directory)
    settings: dict[str, Any] = trained["settings"]
    tgt, targets = str(settings.get("tgt", "und")), str(trained.get("targets", ""))
    made_by = settings.get("tokens", {}).get("made_by", {})
    is_recogniser = settings.get("task") == "asr"
    role = targets if targets in (REAL, TEACHER) else "synthetic"
    folders = sorted(path for path in directory.glob("decode_*") if text_path(path, tgt).is_file())
    return Model(
        directory=directory,
        experiment=directory.parent.relative_to(exp).as_posix(),
        role="recogniser" if is_recogniser else role,
        src=settings.get("src"),
        tgt=tgt,
        seed=read_labels(directory)["seed"],
        finished=str(trained.get("finished", "")),
        row=read_row(directory, directory, "test", tgt=tgt),
        decoded=tuple(read_decoded(directory, folder, tgt) for folder in folders),
        stores=tuple(find_stores(made_by.get("data_made_by"), directory)),
    )


def find_stores(made_by: Any, model: Path) -> Iterator[Path]:
    """Yield the translation stores that a model's training set was made from, by what is on record of it.

    Of a set that was made from others, as by a filter, theirs are yielded, if these are still there.
    """
    if not isinstance(made_by, dict):
        return
    if "store" in made_by:
        yield Path(made_by["store"])
        return
    parents = [made_by.get("data"), *made_by.get("parents", ()), *made_by.get("pairs", {}).values()]
    for parent in parents:
        info = find_recorded(Path(parent) / "info.json", model) if parent else None
        if info is not None:
            yield from find_stores(read_json(info).get("made_by"), model)


def read_decoded(model: Path, folder: Path, tgt: str) -> Decoded:
    """Read the scores of a decoded test set; scores of another text than the one that is there are not."""
    name, hypotheses = folder.name.removeprefix("decode_"), text_path(folder, tgt)
    row = read_row(model, model, name, tgt=tgt)  # the references are looked for below
    scores = folder / "scores.json"
    references = find_references(scores, hypotheses, model) if row.bleu is not None else None
    metrics: Any = read_json(folder / "wer.json").get("metrics", [])
    rates = [float(metric["score"]) for metric in metrics if metric.get("name") == "WER"]
    if rates:
        row = replace(row, notes=())  # "not scored yet" is said of BLEU only
    return Decoded(row, hypotheses, references, rates[0] if rates else None)


def find_references(scores: Path, hypotheses: Path, model: Path) -> Path | None:
    """Return the table of references that a text was scored against, if it is still what it was."""
    listed: Any = read_json(scores)["references"]
    path = find_recorded(Path(listed[0]["path"]), model)
    return None if path is None or is_stale(scores, hypotheses, [path] * len(listed)) else path


def find_recorded(path: Path, model: Path) -> Path | None:
    """Find a file by the path that was written down when a recipe ran, in whatever folder that was.

    A relative path is tried in each folder that the model is below, the innermost first.
    """
    places = [path] if path.is_absolute() else [folder / path for folder in model.resolve().parents]
    return next((place for place in places if place.is_file()), None)
