"""Take from RESULTS.md the sections with one model's scores, and leave those of other models and pairs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthst.errors import DataError
from synthst.pack.scores import Scores, read_scores
from synthst.report.markdown import read_section
from synthst.report.rows import read_json
from synthst.testsets import decoded_path

RECORD = "results.json"
_PATH = re.compile(r"(?<![^\s='\",:\[])/[^\s'\",\]]+")
"""An absolute path in a command."""


def select_results(results: Path, model: Path) -> str:
    """Return the sections of ``results`` that have ``model``'s scores of now, by results.json beside it.

    Raises DataError when there is none: another pair's results, or those of an earlier training.
    """
    record: Mapping[str, Any] = read_json(results.with_name(RECORD))
    if not results.is_file() or not record:
        lacking = results if not results.is_file() else results.with_name(RECORD)
        raise DataError(f"{lacking} is not there; run stage 11 first, or leave --results out")
    scores, _ = read_scores(model)
    places = (Path(), results.parent)  # what the rows' paths are relative to, unless results have moved
    keys = [
        key for key, one in record.items() if any(_is_of(row, model, scores, places) for row in one["rows"])
    ]
    found = {key: section for key in keys if (section := read_section(results, key))}
    sections = [_without_folders(section, record[key]["command"]) for key, section in found.items()]
    if not sections:
        raise DataError(
            f"{results} has no section with the scores of {model} as they are now; run stage 11 with this "
            "model's options first, or leave --results out"
        )
    return "\n\n".join(["# Results", *sections]) + "\n"


def _is_of(row: Mapping[str, Any], model: Path, scores: Scores, places: Sequence[Path]) -> bool:
    """Tell whether a row of results.json is of the model in this directory, and of what it scores today."""
    found = {Path(place, row["directory"]).resolve() for place in places}
    if model.resolve() not in found or row["bleu"] is None:
        return False
    name = decoded_path(model, row["test_set"]).name.removeprefix("decode_")
    return any(one.name == "BLEU" and abs(one.score - row["bleu"]) < 1e-6 for one in scores.get(name, ()))


def _without_folders(section: str, command: str) -> str:
    """Return a section whose command names absolute paths by their last two parts."""
    told = _PATH.sub(lambda found: "/".join(Path(found[0]).parts[-2:]).lstrip("/"), command)
    return section.replace(command, told, 1)
