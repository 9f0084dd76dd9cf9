"""Check that all speech corpora of a recipe are there, before hours are spent on the first of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from synthst.corpora import asr, iwslt, mustc
from synthst.errors import ConfigError, DataError
from synthst.info import info_path

DOWNLOADS = {
    **mustc.DOWNLOADS,
    "covost": "agree at commonvoice.mozilla.org, version 4; the TSV is at github.com/facebookresearch/covost",
    "commonvoice": "agree at commonvoice.mozilla.org",
    "tedlium": "download TED-LIUM 3 from openslr.org/51",
    **{name: f"download it from {corpus.download}" for name, corpus in asr.CORPORA.items()},
}


def check_sources(
    sources: dict[str, Path],
    *,
    data: Path,
    conf: Path,
    src: str = "en",
    tgt: str = "de",
    translations: Path | None = None,
) -> None:
    """Raise DataError that names, by corpus, all that is missing, and where it comes from.

    ``sources`` are the folders of corpora by the name that each has in ``data``: mustc (its training set),
    dev and tst-COMMON (of MuST-C), st_ted, europarl_st, covost (with ``translations``), commonvoice, tedlium,
    librispeech, voxpopuli, or the name of an IWSLT test set. The parts that are wanted stand in
    ``conf``/<name>.yaml. What is in ``data`` or ``data``/corpus already needs no source.
    """
    told = []
    for name, source in sources.items():
        if info_path(data / name).is_file() or info_path(data / "corpus" / name).is_file():
            continue
        files = [translations] if name == "covost" and translations else []
        files += (
            _list_files(name, source, _read_settings(conf / f"{name}.yaml"), (src, tgt))
            if source.is_dir()
            else [source]
        )
        if lacking := [str(path) for path in files if not path.exists()]:
            told.append(f"{name}: {', '.join(lacking)} ({_tell_remedy(name)})")
    if told:
        remedy = "download and unpack them, or leave the corpora out"
        raise DataError(f"files of {len(told)} corpora are not there; {remedy}:\n  " + "\n  ".join(told))


def _list_files(
    name: str, source: Path, settings: Mapping[str, Any], langs: tuple[str, str]
) -> Sequence[Path]:
    """Name what a corpus has to have, there or not."""
    src, _ = langs
    if name in ("dev", "tst-COMMON"):
        return mustc.list_files(source, name, langs, "mustc")
    if name in get_args(mustc.Layout):
        return mustc.list_files(source, "train", langs, name)  # type: ignore[arg-type]
    if name in ("covost", "commonvoice"):
        part = "validated" if name == "covost" else settings.get("part", "validated")
        return [source / f"{part}.tsv", source / "clips"]
    if name == "tedlium":
        return [source / "legacy/train/stm", source / "legacy/train/sph"]
    if name in asr.CORPORA:
        return asr.list_places(source, name, settings.get("parts", ["train"]), src)
    return iwslt.list_files(source, name, langs)


def _tell_remedy(name: str) -> str:
    if name in ("dev", "tst-COMMON"):
        return DOWNLOADS["mustc"]
    return (
        DOWNLOADS.get(name)
        or f"IWSLT-SLT.{name}.en-de.tgz, of {iwslt.PAGE}; leave out of --iwslt a set without references"
    )


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
