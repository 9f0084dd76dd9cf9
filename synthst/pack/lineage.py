"""What a model was made of: from its training back through every directory's info.json to the corpora."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthst.errors import DataError
from synthst.info import info_path, read_info
from synthst.report.rows import read_json

logger = logging.getLogger(__name__)

LINEAGE = "lineage.json"  # of a model that was packed: what its lineage was at its maker's
WEIGHTS = "weights made elsewhere"
READ_FILES = ("import_lhotse", "import_pairs")  # steps whose parents are files: the directory is the corpus
DATA_KEYS = ("data", "base", "extra", "texts")  # of made_by, where info.json names no parents


@dataclass(frozen=True)
class Origin:
    """A directory that the model comes from; ``step`` is the command that made it, "" when it is gone."""

    path: Path
    step: str
    options: dict[str, object] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    teacher: dict[str, object] | None = None
    search: dict[str, object] | None = None
    packages: dict[str, str] = field(default_factory=dict)
    licence: str | None = None
    is_corpus: bool = False
    """Whether nothing was before it."""


def trace_model(model: Path) -> list[Origin]:
    """Return what the training data of a finished model come from, nearest first, each directory once.

    What is not there any more is in the list without a step, and is named in a warning. Paths are relative to
    where the recipe runs, as the commands wrote them.
    """
    origins = trace_directories(list(_training_data(model)))
    if gone := [str(origin.path) for origin in origins if not origin.step]:
        told = "%s: some of what it was made of is not in %s any more; pack it where the recipe ran: %s"
        logger.warning(told, model, Path.cwd(), ", ".join(gone))
    return origins


def trace_targets(model: Path) -> list[Origin]:
    """Return what the targets of a finished model come from: not its audio, nor its recogniser."""
    return trace_directories(list(_training_data(model, only_targets=True)))


def trace_directories(start: Sequence[Path | Origin]) -> list[Origin]:
    """Return ``start`` and all that they come from, nearest first, each directory once.

    An Origin among them is taken as it is: nothing is looked for at its path.
    """
    waiting, origins = deque(start), dict[Path, Origin]()
    while waiting:
        path = waiting.popleft()
        if isinstance(path, Origin):
            origins.setdefault(path.path, path)
            continue
        if path in origins or (path / "manifest.json").is_file():  # a translation store is its teacher's
            continue
        origins[path], parents = _read_origin(path)
        waiting.extend(parents)
    return list(origins.values())


def find_teachers(origins: list[Origin]) -> list[Origin]:
    """Return the first of ``origins`` for each teacher and search settings that translated any of them."""
    found: dict[str, Origin] = {}
    for origin in origins:
        if origin.teacher is not None:
            found.setdefault(f"{origin.teacher} {origin.search}", origin)
    return list(found.values())


def teacher_folder(origin: Origin) -> Path | None:
    """Return the directory that stage 2 made of the teacher of ``origin``: the one that has its store."""
    store = origin.options.get("store")
    folder = Path(str(store)).parent if store else None
    if folder is None or not ((folder / "train.json").is_file() or info_path(folder).is_file()):
        return None
    return folder


def read_recorded[T](model: Path, key: str, make: Callable[[dict[str, Any]], T]) -> list[T]:
    """Return what lineage.json of a model that was unpacked lists as ``key``, nothing of any other model.

    Raises DataError when ``make`` finds one to be of another form.
    """
    path = model / LINEAGE
    listed: Any = read_json(path).get(key, [])
    try:
        return [make(one) for one in listed]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: {key} cannot be read ({error!r}); unpack the model again") from error


def recorded_origin(told: dict[str, Any]) -> Origin:
    """Make an origin of its JSON values."""
    return Origin(**{**told, "path": Path(told["path"])})


def _training_data(model: Path, *, only_targets: bool = False) -> Iterator[Path | Origin]:
    """Yield what a finished model was trained on, and the same of the models whose weights it began with.

    Of a model that was unpacked it is what lineage.json says: the paths are those of another machine.
    """
    if recorded := read_recorded(model, "origins", recorded_origin):
        yield from recorded
        return
    settings = _mapping(read_json(model / "train.json").get("settings"))
    skipped = ("valid", "audio") if only_targets else ("valid",)
    yield from _data_of(settings, skipped)
    # a translator of speech begins with a recogniser's encoder, and with the scale of its features
    borrowed = ("encoder", "normalize") if only_targets and settings.get("task") == "st" else ()
    for name, part in _mapping(read_json(model / "init.json").get("parts")).items():
        if name in borrowed:
            continue
        weights = Path(str(_mapping(part).get("path")))
        if (weights.parent / "train.json").is_file():
            yield from _training_data(weights.parent, only_targets=only_targets)
        else:
            yield weights


def _data_of(settings: object, skipped: tuple[str, ...]) -> Iterator[Path]:
    """Yield the data directories of tokens and audio in a training's settings, but for ``skipped`` keys."""
    if isinstance(settings, list):
        for one in settings:
            yield from _data_of(one, skipped)
    elif data := _mapping(_mapping(settings).get("made_by")).get("data"):
        yield Path(str(data))
    else:
        for key, value in _mapping(settings).items():
            if not key.startswith(skipped):
                yield from _data_of(value, skipped)


def _read_origin(path: Path) -> tuple[Origin, list[Path]]:
    if path.is_file():
        return Origin(path, WEIGHTS, is_corpus=True), []
    try:
        info = read_info(path)
    except DataError:
        return Origin(path, ""), []
    options = dict(_mapping(info.get("made_by")))
    step = str(options.pop("step", "made by hand"))
    parents = [] if step in READ_FILES else _list_parents(info, options)
    whole = _corpus_info(path, step) if not parents else {}
    licence = info.get("licence") or whole.get("licence")
    origin = Origin(
        path,
        step,
        options,
        {key: int(str(count)) for key, count in _mapping(info.get("counts")).items()},
        teacher=dict(_mapping(info["teacher"])) if "teacher" in info else None,
        search=dict(_mapping(info["settings"])) if "teacher" in info and "settings" in info else None,
        packages={key: str(value) for key, value in _mapping((info | whole).get("packages")).items()},
        licence=str(licence) if licence else None,
        is_corpus=not parents,
    )
    return origin, parents


def _list_parents(info: Mapping[str, object], options: Mapping[str, object]) -> list[Path]:
    """Return the directories that one was made of; test sets that a filter kept out are none of them."""
    held_out = {str(path) for path in _sequence(options.get("held_out"))}
    held_out |= {
        str(path)
        for spec in _sequence(options.get("filters"))
        for path in _sequence(_mapping(spec).get("sets"))
    }
    given = _sequence(info.get("parents")) or [options[key] for key in DATA_KEYS if options.get(key)]
    return [Path(str(parent)) for parent in given if str(parent) not in held_out]


def _corpus_info(path: Path, step: str) -> dict[str, object]:
    """Return info.json of the corpus that a set belongs to: its own, or that of the folder around it."""
    for folder in (path.parent, path):
        info = read_json(info_path(folder))
        if _mapping(info.get("made_by")).get("step") == step and (folder == path or "packages" in info):
            return info
    return {}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []
