"""The command `synthst audit`: measure synthetic targets, write a page to look at and the numbers as JSON."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.audit.measures import measure_sample
from synthst.audit.origin import find_origin
from synthst.audit.page import render_page
from synthst.audit.report import list_pairs, make_report
from synthst.audit.sample import read_sample
from synthst.audit.stored import find_stored
from synthst.datadir import new_directory
from synthst.errors import ConfigError
from synthst.info import is_made, write_info
from synthst.processes import count_workers
from synthst.store import read_manifest

logger = logging.getLogger(__name__)

MAX_WORKERS = 8


@dataclass(frozen=True)
class Inputs:
    """What determines an audit; ``real`` and ``store`` are None where there are none."""

    data: Path
    real: Path | None
    store: Path | None
    src: str
    tgt: str
    numbered: bool
    sample: int
    seed: int
    worst: int
    table: int

    def __post_init__(self) -> None:
        if min(self.sample, self.worst, self.table) < 1:
            found = f"--sample {self.sample}, --worst {self.worst}, --table {self.table}"
            raise ConfigError(f"{found}: give numbers of pairs above 0")


def audit(
    data: Path,
    *,
    out: Path | None = None,
    real: Path | None = None,
    store: Path | None = None,
    alone: bool = False,
    src: str | None = None,
    tgt: str | None = None,
    sample: int = 100_000,
    seed: int = 0,
    worst: int = 20,
    table: int = 5_000,
    workers: int | None = None,
) -> None:
    """Compare the synthetic targets of ``data`` with the real ones of the same ids: index.html, audit.json.

    What is not given is taken from the info.json of ``data`` and of what that was made from: ``real``, the
    directory with the references, ``store``, the translation store, and the languages. ``alone`` wants no
    references. At most ``sample`` pairs are read, chosen by ``seed``; the page lists the ``worst`` pairs by
    each measure, and ``table`` pairs to search in. ``out`` is <data>_audit if not given; nothing is done when
    it was made by the same options. ``workers`` processes share the work, by default one per core up to 8.
    Raises DataError when no id is shared or sources differ.
    """
    inputs = _complete(data, real, store, alone, src, tgt, sample=sample, seed=seed, worst=worst, table=table)
    out = data.with_name(f"{data.name}_audit") if out is None else out
    made_by = {"step": "audit", **asdict(inputs)}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
    else:
        _write_audit(out, inputs, made_by, count_workers(workers, most=MAX_WORKERS))
    for finding in json.loads((out / "audit.json").read_text(encoding="utf-8"))["findings"]:
        print(finding["text"])
    print(f"to be looked at with a browser: {out / 'index.html'}")


def _complete(
    data: Path,
    real: Path | None,
    store: Path | None,
    alone: bool,
    src: str | None,
    tgt: str | None,
    **numbers: int,
) -> Inputs:
    """Put what info.json says in place of what was not given."""
    if alone and real is not None:
        raise ConfigError(f"--alone wants no references and --real names {real}; give one of the two")
    origin = find_origin(data)
    lost = f" ({', '.join(origin.lost)} not found: run where the data were made)" if origin.lost else ""
    real, store = None if alone else real or origin.real, store or origin.store
    if real is None and not alone:
        raise ConfigError(f"{data} does not say whose targets it replaces{lost}; give --real DIR, or --alone")
    src, tgt = src or origin.src, tgt or origin.tgt
    if not src or not tgt:
        raise ConfigError(f"{data} does not say its languages{lost}; give --src and --tgt")
    if store is None:
        logger.warning("no translation store, so cut-offs are not known%s; --store names it", lost)
    return Inputs(data, real, store, src, tgt, origin.numbered, **numbers)


def _write_audit(out: Path, inputs: Inputs, made_by: Mapping[str, object], workers: int) -> None:
    src, tgt = inputs.src, inputs.tgt
    with new_directory(out) as folder:
        sample = read_sample(
            *(inputs.data, inputs.real),
            src=src,
            tgt=tgt,
            size=inputs.sample,
            seed=inputs.seed,
            numbered=inputs.numbered,
            folder=folder,
        )
        stored = None if inputs.store is None else find_stored(inputs.store, sample, folder=folder)
        measures = measure_sample(sample, stored, src=src, tgt=tgt, workers=workers)
        report = make_report(sample, stored, measures, _describe(inputs), worst=inputs.worst)
        pairs = list_pairs(sample, measures, size=inputs.table)
        _write(folder / "audit.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
        _write(folder / "index.html", render_page(report, pairs))
        parents = [path for path in (inputs.data, inputs.real, inputs.store) if path is not None]
        write_info(folder, made_by, counts=report["counts"], parents=parents)
    logger.info("%s: %d pairs", out, len(sample.pairs))


def _describe(inputs: Inputs) -> dict[str, object]:
    paths = {key: None if path is None else str(path) for key, path in asdict(inputs).items()}
    described = asdict(inputs) | {key: paths[key] for key in ("data", "real", "store")}
    manifest = {} if inputs.store is None else read_manifest(inputs.store)
    return described | {"teacher": manifest.get("teacher"), "settings": manifest.get("settings")}


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))
