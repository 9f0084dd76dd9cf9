"""Put an audit together: everything that the page shows, as plain values for audit.json."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from synthst.audit.findings import find_remarkable
from synthst.audit.histograms import count_histograms
from synthst.audit.measures import Measures
from synthst.audit.pairs import agreement_signature
from synthst.audit.rows import list_rows
from synthst.audit.sample import Sample
from synthst.audit.stored import Stored
from synthst.audit.worst import fault_labels, list_worst, rank_pairs

FORMAT = 1


def make_report(
    sample: Sample,
    stored: Stored | None,
    measures: Measures,
    inputs: Mapping[str, object],
    *,
    worst: int,
) -> dict[str, Any]:
    """Return the report; ``inputs`` are put in as they are, ``worst`` is how many pairs a ranking lists."""
    rows = list_rows(measures, stored)
    return {
        "format": FORMAT,
        **inputs,
        "counts": _count(sample, stored, measures),
        "notes": _notes(sample, stored, measures),
        "signature": agreement_signature(),
        "findings": [asdict(finding) for finding in find_remarkable(rows, len(sample.pairs))],
        "measures": [asdict(row) for row in rows],
        "histograms": [asdict(histogram) for histogram in count_histograms(measures, stored)],
        "overuse": {side: [asdict(word) for word in words] for side, words in measures.overuse.items()},
        "worst": [
            {
                "key": ranking.key,
                "title": ranking.title,
                "explanation": ranking.explanation,
                "pairs": [asdict(pair) for pair in list_worst(ranking, sample, measures, size=worst)],
            }
            for ranking in rank_pairs(measures, stored)
        ],
    }


def list_pairs(sample: Sample, measures: Measures, *, size: int) -> list[list[object]]:
    """Return the first ``size`` pairs, a random sample, for the page's table.

    Each is id, source, real or null, synthetic, chrF2 or null, length ratio, repetition and fault labels.
    """
    agreement, side = measures.agreement, measures.sides["synthetic"]
    return [
        [
            *(pair.id, pair.source, pair.real, pair.synthetic),
            None if agreement is None else round(float(agreement[number]), 1),
            round(float(side.ratio[number]), 2),
            round(float(side.repetition[number]), 3),
            fault_labels(measures, number),
        ]
        for number, pair in enumerate(sample.pairs[:size])
    ]


def _count(sample: Sample, stored: Stored | None, measures: Measures) -> dict[str, int]:
    counts = {
        "rows": sample.rows,
        "shared": sample.shared,
        "only_synthetic": sample.rows - sample.shared,
        "only_real": sample.only_real,
        "audited": len(sample.pairs),
        "aligned": min(measures.aligned, len(sample.pairs)),
    }
    return counts if stored is None else counts | {"in_store": int(stored.found.sum())}


def _notes(sample: Sample, stored: Stored | None, measures: Measures) -> list[str]:
    """Say what was left out or could not be told."""
    counts, notes = _count(sample, stored, measures), []
    pairs = counts["audited"]
    if counts["only_synthetic"]:
        notes.append(
            f"{counts['only_synthetic']:,} synthetic targets have no reference and are not in this audit."
        )
    if counts["only_real"]:
        notes.append(
            f"{counts['only_real']:,} references have no synthetic target and are not in this audit."
        )
    if pairs < counts["shared"]:
        notes.append(f"{pairs:,} of {counts['shared']:,} pairs were audited, chosen by a hash of the id.")
    if counts["aligned"] < pairs:
        notes.append(f"The aligner saw {counts['aligned']:,} of the {pairs:,} pairs, to bound its memory.")
    if "real" not in measures.sides:
        notes.append("There are no references, so agreement and differences are not known.")
    if stored is None:
        notes.append("There is no translation store, so cut-offs and scores are not known.")
    elif counts["in_store"] < pairs:
        notes.append(f"{pairs - counts['in_store']:,} synthetic targets are not in the translation store.")
    if measures.no_language:
        notes.append(f"Wrong languages are not known: {measures.no_language}.")
    return notes
