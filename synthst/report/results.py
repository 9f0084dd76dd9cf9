"""Gather the results of an experiment's students and write them to RESULTS.md and results.json."""

import json
import logging
import random
from collections.abc import Sequence, Set
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.datadir import text_path
from synthst.report.averages import average_table
from synthst.report.machine import describe_machine
from synthst.report.markdown import fenced, section_key, write_section
from synthst.report.rows import ResultRow, compare_rows, hypotheses_path, read_json, read_row
from synthst.report.table import find_differences, find_notes, result_table, terminal_table
from synthst.score import Comparison
from synthst.tables import read_table
from synthst.testsets import set_name
from synthst.versions import describe_versions

logger = logging.getLogger(__name__)


def report_results(
    students: Sequence[Path],
    *,
    data: Path,
    test_sets: Sequence[str],
    src: str,
    tgt: str,
    out: Path,
    title: str,
    command: str,
    baseline: str = "real",
    tokenize: str | None = None,
    samples: int = 5,
    resamples: int = 1000,
    seed: int = 12345,
    notes: Sequence[str] = (),
) -> str:
    """Write the section ``title`` of ``out`` (RESULTS.md) and results.json beside it; return the table.

    Reads train.json of every directory in ``students``, and decode.json, scores.json and text.<tgt> of
    its decode_<set>; what is missing shows as "-". A student is compared with the one of the same size
    and subset that learnt from ``baseline`` targets, by paired bootstrap; a teacher is not compared.
    ``seed`` draws the resamples and the sample translations, which are of the first test set. ``notes`` are
    told with the findings.
    """
    students = list(dict.fromkeys(students))
    rows = [read_row(student, data, name, tgt=tgt) for name in test_sets for student in students]
    rows, comparisons = compare_rows(
        rows, data, tgt=tgt, baseline=baseline, tokenize=tokenize, resamples=resamples, seed=seed
    )
    heading = _heading(" ".join(title.split()), command)
    findings = _findings(rows, comparisons, baseline) + "".join(f"- {note}\n" for note in notes)
    parts = [heading, result_table(rows, baseline=baseline), average_table(rows), findings]
    parts += [_signatures(rows, comparisons)]
    parts += [sample_translations(rows, data, src=src, tgt=tgt, count=samples, seed=seed)]
    key = section_key(f"{src}-{tgt}", title)
    write_section(out, key, "\n".join(part for part in parts if part))
    _write_record(out.with_name("results.json"), key, command, rows, comparisons)
    logger.info("%s: %d results, %d comparisons", out, len(rows), len(comparisons))
    return terminal_table(rows, baseline=baseline) + "".join(f"{note}\n" for note in notes)


def sample_translations(
    rows: Sequence[ResultRow], data: Path, *, src: str, tgt: str, count: int = 5, seed: int = 12345
) -> str:
    """Return ``count`` sentences drawn by ``seed``, with source, reference and every system's translation.

    They are of the first row's test set; nothing is returned when its text is not there.
    """
    test_set = rows[0].test_set if rows else ""
    source = text_path(data / test_set, src)
    if not count or not source.is_file():
        return ""
    ids = [id_ for id_, _ in read_table(source, allow_empty=True)]
    chosen = sorted(random.Random(seed).sample(ids, min(count, len(ids))))
    tables = {"source": source, "reference": text_path(data / test_set, tgt)}
    tables |= {_label(row, rows): hypotheses_path(row, tgt) for row in rows if row.test_set == test_set}
    texts = {label: _read_chosen(path, set(chosen)) for label, path in tables.items() if path.is_file()}
    width = max(map(len, ["id", *texts]))
    blocks = [
        "".join(
            f"{label:{width}}  {text or '(empty)'}\n"
            for label, text in [("id", id_), *((label, texts[label].get(id_, "-")) for label in texts)]
        )
        for id_ in chosen
    ]
    return f"Sample translations of {set_name(test_set)}, drawn with seed {seed}:\n\n" + fenced(
        "\n".join(blocks)
    )


def _heading(title: str, command: str) -> str:
    versions = describe_versions()
    commit = versions.pop("commit")
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = f"- Date: {date}\n- Machine: {describe_machine()}\n- Versions: {listed}; commit {commit}\n"
    return f"## {title}\n\n{fenced(command)}\n{facts}"


def _findings(rows: Sequence[ResultRow], comparisons: Sequence[Comparison], baseline: str) -> str:
    lines = [f"- {finding}" for finding in find_differences(rows, baseline=baseline) + find_notes(rows)]
    if comparisons:
        lines.append(
            f"- p: sacreBLEU's paired bootstrap, {comparisons[0].resamples:,} resamples of the test set, seed"
            f" {comparisons[0].seed}. It does not tell how far another training seed would move the scores."
        )
    return "\n".join(lines) + "\n"


def _signatures(rows: Sequence[ResultRow], comparisons: Sequence[Comparison]) -> str:
    signatures = [signature for row in rows for signature in row.signatures]
    signatures += [f"{comparison.metric}|{comparison.signature}" for comparison in comparisons]
    return "".join(f"- `{signature}`\n" for signature in dict.fromkeys(signatures))


def _write_record(
    out: Path, key: str, command: str, rows: Sequence[ResultRow], comparisons: Sequence[Comparison]
) -> None:
    """Replace the entry ``key`` of results.json."""
    record = read_json(out) | {
        key: {
            "command": command,
            "machine": describe_machine(),
            "versions": describe_versions(),
            "rows": [asdict(row) for row in rows],
            "comparisons": [asdict(comparison) | {"delta": comparison.delta} for comparison in comparisons],
        }
    }
    with atomic_file(out) as file:
        file.write((json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n").encode())


def _label(row: ResultRow, rows: Sequence[ResultRow]) -> str:
    """Name a system by its targets, and by size and subset where that is not enough."""
    alike = [other for other in rows if other.targets == row.targets and other.test_set == row.test_set]
    if len(alike) == 1:
        return row.targets
    subset = "all" if row.subset is None else f"{row.subset:,}"
    return f"{row.targets} {row.student} {subset}"


def _read_chosen(table: Path, ids: Set[str]) -> dict[str, str]:
    return {id_: text for id_, text in read_table(table, allow_empty=True) if id_ in ids}
