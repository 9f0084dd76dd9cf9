"""A model's scores, beside those of its teacher and of the same student on real targets, as in RESULTS.md."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthst.report.rows import read_json
from synthst.score import MetricScore, is_stale, read_metrics

Scores = Mapping[str, Sequence[MetricScore]]
TEACHER = "teacher"
SAME_STUDENT = ("student", "subset")


def read_scores(model: Path) -> tuple[Scores, list[str]]:
    """Read the scores of every decoded test set, and notes on those that are out of date."""
    scores: dict[str, Sequence[MetricScore]] = {}
    notes = []
    for path in sorted(model.glob("decode_*/scores.json")):
        name = path.parent.name.removeprefix("decode_")
        if _is_stale(path):
            notes.append(f"the scores of {name} are left out: texts have changed since; run stage 11 again")
        else:
            scores[name] = read_metrics(path)
    return scores, notes


def read_rivals(model: Path, train: Mapping[str, Any], teachers: Iterable[Path]) -> dict[str, Scores]:
    """Return what others beside ``model`` score on the same references, by who they are, if they do."""
    rivals = {f"{TEACHER} ({folder.name.removeprefix('teacher_')})": folder for folder in teachers}
    if train.get("targets") != "real" and (real := _find_real(model, train)):
        rivals["the same on real targets"] = real
    scores = {name: _scores_on_same(model, folder) for name, folder in rivals.items()}
    return {name: found for name, found in scores.items() if found}


def count_cut_off(model: Path) -> dict[str, tuple[int, int]]:
    """Return, by test set, how many translations were cut off at the length limit, and of how many."""
    told = {path.parent.name: read_json(path) for path in sorted(model.glob("decode_*/decode.json"))}
    return {
        name.removeprefix("decode_"): (int(str(one["cut_off"])), int(str(one["sentences"])))
        for name, one in told.items()
        if {"cut_off", "sentences"} <= one.keys()
    }


def _find_real(model: Path, train: Mapping[str, Any]) -> Path | None:
    """Find the student on real targets that RESULTS.md compares ``model`` with."""
    for path in sorted(model.parent.glob("*/train.json")):
        other: Mapping[str, Any] = read_json(path)
        same = all(other.get(key) == train.get(key) for key in SAME_STUDENT)
        if other.get("targets") == "real" and same and _kind(other) == _kind(train):
            return path.parent
    return None


def _kind(train: Mapping[str, Any]) -> list[object]:
    settings: Mapping[str, object] = train.get("settings") or {}
    return [settings.get("task", "mt"), settings.get("src"), settings.get("tgt")]


def _scores_on_same(model: Path, other: Path) -> Scores:
    scores = {}
    for path in sorted(other.glob("decode_*/scores.json")):
        own = model / path.parent.name / path.name
        if own.is_file() and _references(own) == _references(path) and not _is_stale(path):
            scores[path.parent.name.removeprefix("decode_")] = read_metrics(path)
    return scores


def _is_stale(scores: Path) -> bool:
    hyp, *refs = (Path(one["path"]) for one in _scored_texts(scores))
    return is_stale(scores, scores.with_name(hyp.name), refs)


def _references(scores: Path) -> list[str]:
    return [one["sha256"] for one in _scored_texts(scores)[1:]]


def _scored_texts(scores: Path) -> list[dict[str, str]]:
    """Return hypotheses, then references, as scores.json names them."""
    told: Any = read_json(scores)
    return [told["hypotheses"], *told["references"]]
