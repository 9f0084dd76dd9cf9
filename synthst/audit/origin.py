"""Find the references and the store of a synthetic data directory by what its info.json says."""

from dataclasses import dataclass, replace
from pathlib import Path

from synthst.info import info_path, read_info

_MAX_STEPS = 20


@dataclass(frozen=True)
class Origin:
    """Where the targets of a data directory come from; None is what nobody wrote down.

    ``numbered`` ids end in -h1, -h2, ..., for the several targets of a source. ``lost`` are paths that were
    written down, relative to another folder perhaps, and are not there.
    """

    real: Path | None = None
    store: Path | None = None
    src: str | None = None
    tgt: str | None = None
    numbered: bool = False
    lost: tuple[str, ...] = ()


def find_origin(data: Path) -> Origin:
    """Go back from ``data`` through the directories it was made from, to the one whose targets are real.

    It was filtered, expanded or combined perhaps; the first store on the way is the one. A directory
    without info.json, or made in a way that is not known here, ends the search.
    """
    origin, directory = Origin(), data
    for _ in range(_MAX_STEPS):
        made_by = _made_by(directory)
        store, before = (
            _text(made_by.get(key)) for key in ("store", "base" if "base" in made_by else "data")
        )
        lost = tuple(path for path in (store, before) if path and not Path(path).exists())
        origin = replace(
            origin,
            store=origin.store or _existing(store),
            src=origin.src or _text(made_by.get("src")),
            tgt=origin.tgt or _text(made_by.get("tgt")),
            numbered=origin.numbered or made_by.get("nbest_targets", 1) != 1,
            lost=origin.lost + lost,
        )
        if made_by.get("step") == "replace_targets":
            return replace(origin, real=_existing(before))
        if before is None or before in lost:
            break
        directory = Path(before)
    return origin


def _made_by(directory: Path) -> dict[str, object]:
    if not info_path(directory).is_file():
        return {}
    made_by = read_info(directory).get("made_by")
    return made_by if isinstance(made_by, dict) else {}


def _existing(path: str | None) -> Path | None:
    return Path(path) if path and Path(path).exists() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
