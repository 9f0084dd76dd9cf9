"""Write the audit's page: one HTML file that needs no other, no server and no network."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from synthst.audit.charts import draw_histogram
from synthst.audit.faults import FAULTS
from synthst.audit.numbers import show_difference, show_number, show_percent
from synthst.audit.worst import mark_new
from synthst.html import embed_json, page_environment


def render_page(report: Mapping[str, Any], pairs: Sequence[Sequence[object]]) -> str:
    """Return the page of a report; ``pairs``, of `list_pairs`, go into its table."""
    environment = page_environment("synthst.audit", "page")
    environment.filters |= {"number": show_number, "percent": show_percent}
    environment.globals |= {"difference": show_difference, "mark_new": mark_new, "draw": draw_histogram}
    return environment.get_template("page.html").render(
        report=report,
        groups=_group(report["measures"]),
        tiles=_choose_tiles(report["measures"]),
        has_real=report["real"] is not None,
        faults=FAULTS,
        listed=len(pairs),
        data=embed_json({"lang": [report["src"], report["tgt"]], "pairs": pairs}),
    )


def _group(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]], bool]]:
    """Return the groups' names and rows, and whether one of them has a value of the real targets."""
    groups = [(name, list(members)) for name, members in groupby(rows, key=lambda row: str(row["group"]))]
    return [(name, members, any(row["real"] is not None for row in members)) for name, members in groups]


def _choose_tiles(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the four numbers that say most, each with a title that stands alone."""
    titles = {
        "agreement": "Agreement (chrF2)",
        "any": "Targets with a fault",
        "vocabulary_kept": "Vocabulary kept",
        "entropy_by_token": "Complexity in bits",
        "types": "Different words",
        "ratio_p50": "Length ratio",
    }
    known = {row["key"]: row for row in rows}
    return [(title, known[key]) for key, title in titles.items() if key in known][:4]
