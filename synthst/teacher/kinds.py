"""The kinds of teacher that a recipe can name."""

from collections.abc import Mapping
from pathlib import Path

from synthst.errors import ConfigError, DataError
from synthst.fill import fill_options
from synthst.packfile import read_manifest
from synthst.teacher.protocol import SearchSettings, Teacher

KINDS = {
    "espnet": "DIR",
    "file": "TSV",
    "ct2": "DIR",
    "hf": "NAME_OR_PATH",
    "llm": "CONFIG.yaml",
}
KNOWN = ", ".join(f"{kind}:{place}" for kind, place in KINDS.items())


def name_teacher(model: str) -> str:
    """Return KIND:PATH of a directory or pack by what is in it; KIND:PATH stays as it is."""
    directory = Path(model)
    if directory.is_file():
        return name_pack(directory)
    if not directory.is_dir():
        if ":" in model:
            return model
        raise DataError(f"{model} is no directory; name a model's directory, a pack, or {KNOWN}")
    if (directory / "model.bin").is_file():
        return f"ct2:{directory}"
    if (directory / "config.yaml").is_file():
        return f"espnet:{directory}"
    if (directory / "config.json").is_file():
        return f"hf:{directory}"
    raise DataError(
        f"{directory} holds no model: neither model.bin (CTranslate2), config.yaml (ESPnet) nor config.json "
        "(Hugging Face); train or export one first"
    )


def name_pack(pack: Path) -> str:
    """Return espnet:FILE of a pack; raises ConfigError when its model does not translate text."""
    task = read_manifest(pack)["task"]
    if task != "mt":
        raise ConfigError(
            f"{pack} holds a model of speech ({task}), and lines are to be translated; `synthst unpack` it "
            "for translate_speech, or load it with synthst.espnet.speech_load"
        )
    return f"espnet:{pack}"


def load_teacher(
    spec: str,
    settings: SearchSettings,
    *,
    data: Path | None = None,
    src: str | None = None,
    tgt: str | None = None,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
) -> Teacher:
    """Load the teacher that ``spec``, KIND:PLACE, names.

    ``data`` and ``src`` tell a file of translations what it will be asked for; ``src`` and ``tgt`` tell a
    multilingual model its languages. ``options`` are the kind's own: those of EspnetOptions,
    Ct2Options, HfOptions or LlmOptions. Only the kind that is named is imported. Raises ConfigError for an
    unknown kind or option, and when the kind's library is not installed.
    """
    kind, _, place = spec.partition(":")
    if kind not in KINDS or not place:
        raise ConfigError(f"the teacher {spec!r} is of no known kind; give one of {KNOWN}")
    given = dict(options or {})
    if kind == "ct2":
        return _load_ct2(Path(place), settings, src, tgt, device, given)
    if kind == "hf":
        return _load_hf(place, settings, src, tgt, device, given)
    if kind == "llm":
        from synthst.teacher.llm import LlmTeacher

        return LlmTeacher(Path(place), settings, src=src, tgt=tgt, options=given)
    if kind == "espnet":
        from synthst.teacher.espnet import EspnetOptions, EspnetTeacher

        return EspnetTeacher(Path(place), settings, device, fill_options(EspnetOptions, given, spec))
    if given:
        raise ConfigError(f"the teacher {spec} takes no options, {', '.join(map(str, given))} is given")
    from synthst.teacher.file import FileTeacher

    return FileTeacher(Path(place), settings, data=data, src=src)


def _load_ct2(
    directory: Path,
    settings: SearchSettings,
    src: str | None,
    tgt: str | None,
    device: str,
    options: Mapping[str, object],
) -> Teacher:
    from synthst.teacher.ct2 import Ct2Options, Ct2Teacher

    filled = fill_options(Ct2Options, options, f"ct2:{directory}")
    return Ct2Teacher(directory, settings, src=src, tgt=tgt, device=device, options=filled)


def _load_hf(
    name: str,
    settings: SearchSettings,
    src: str | None,
    tgt: str | None,
    device: str,
    options: Mapping[str, object],
) -> Teacher:
    from synthst.teacher.hf import HfOptions, HfTeacher

    filled = fill_options(HfOptions, options, f"hf:{name}")
    return HfTeacher(name, settings, src=src, tgt=tgt, device=device, options=filled)
