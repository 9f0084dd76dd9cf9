"""The kinds of teacher that a recipe can name."""

from pathlib import Path

from synthst.errors import ConfigError
from synthst.teacher.protocol import SearchSettings, Teacher

KNOWN = "espnet:DIR, file:TSV"


def load_teacher(
    spec: str,
    settings: SearchSettings,
    *,
    data: Path | None = None,
    src: str | None = None,
    device: str = "cpu",
) -> Teacher:
    """Load the teacher that ``spec``, KIND:PATH, names.

    ``data`` and ``src`` tell a file of translations what it will be asked for. Raises ConfigError for an
    unknown kind.
    """
    kind, _, place = spec.partition(":")
    if kind not in ("espnet", "file") or not place:
        raise ConfigError(f"the teacher {spec!r} is of no known kind; give one of {KNOWN}")
    if kind == "espnet":
        from synthst.teacher.espnet import EspnetTeacher  # it brings torch, which the others do without

        return EspnetTeacher(Path(place), settings, device)
    from synthst.teacher.file import FileTeacher

    return FileTeacher(Path(place), settings, data=data, src=src)
