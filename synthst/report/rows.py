"""The rows of a results table: read from the directories of students, then compared with the baseline."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.score import Comparison, MetricScore, compare_systems, is_stale, read_metrics
from synthst.testsets import decoded_path

TEACHER = "teacher"


@dataclass(frozen=True)
class ResultRow:
    """One trained system on one test set; None where a number is not known.

    ``subset`` is in training sentences (None: all). ``bleu_delta`` and ``chrf2_delta`` are this
    system's score minus that of the baseline of the same student, subset and test set; the p-values
    are of the paired bootstrap. ``speed`` is decoded sentences per second.
    """

    directory: Path
    targets: str
    student: str
    test_set: str
    subset: int | None = None
    is_baseline: bool = False
    bleu: float | None = None
    chrf2: float | None = None
    bleu_delta: float | None = None
    bleu_p_value: float | None = None
    chrf2_delta: float | None = None
    chrf2_p_value: float | None = None
    train_sentences: int | None = None
    parameters: int | None = None
    steps: int | None = None
    train_seconds: float | None = None
    valid_loss: float | None = None
    speed: float | None = None
    cut_off: int | None = None
    signatures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_row(student: Path, data: Path, test_set: str, *, tgt: str) -> ResultRow:
    """Read what is known of a trained system and its scores on ``test_set``.

    Scores of a text that has changed since are left out, with a note.
    """
    decoded = decoded_path(student, test_set)
    train, decode = read_json(student / "train.json"), read_json(decoded / "decode.json")
    metrics, notes = _read_scores(decoded, text_path(data / test_set, tgt), tgt)
    score = {metric.name: metric.score for metric in metrics}
    cut_off, seconds, sentences = (_number(decode.get(k)) for k in ("cut_off", "seconds", "sentences"))
    if cut_off:
        notes.append(f"{cut_off:,.0f} translations were cut off at the length limit")
    if too_short := _number(decode.get("too_short")):
        notes.append(f"{too_short:,.0f} utterances were too short for the model and got an empty translation")
    return ResultRow(
        directory=student,
        targets=str(train.get("targets", student.name)),
        student=str(train.get("student", "-")),
        test_set=test_set,
        subset=_count(train.get("subset")),
        bleu=score.get("BLEU"),
        chrf2=score.get("chrF2"),
        train_sentences=_count(train.get("train_sentences")),
        parameters=_count(train.get("parameters")),
        steps=_count(train.get("steps")),
        train_seconds=_number(train.get("seconds")),
        valid_loss=_number(train.get("valid_loss")),
        speed=sentences / seconds if sentences and seconds else None,
        cut_off=_count(cut_off),
        signatures=tuple(f"{metric.name}|{metric.signature}" for metric in metrics),
        notes=tuple(notes),
    )


def compare_rows(
    rows: Sequence[ResultRow],
    data: Path,
    *,
    tgt: str,
    baseline: str = "real",
    tokenize: str | None = None,
    resamples: int = 1000,
    seed: int = 12345,
) -> tuple[list[ResultRow], list[Comparison]]:
    """Compare every scored student with the baseline of the same size, subset and test set.

    Returns the rows, in the same order, with the differences filled in, and the comparisons.
    """
    compared = [replace(row, is_baseline=row.targets == baseline) for row in rows]
    comparisons = []
    scored = [number for number, row in enumerate(compared) if _has_scored_text(row, data, tgt)]
    for real in _baselines([compared[number] for number in scored]):
        others = [number for number in scored if _is_rival(compared[number], real)]
        results = compare_systems(
            hypotheses_path(real, tgt),
            [hypotheses_path(compared[n], tgt) for n in others],
            text_path(data / real.test_set, tgt),
            tgt=tgt,
            tokenize=tokenize,
            resamples=resamples,
            seed=seed,
        )
        for position, number in enumerate(others):
            bleu, chrf2 = results[2 * position : 2 * position + 2]
            compared[number] = _with_difference(compared[number], real, bleu, chrf2)
        comparisons += results
    return compared, comparisons


def hypotheses_path(row: ResultRow, tgt: str) -> Path:
    """Name the table of a row's translations."""
    return text_path(decoded_path(row.directory, row.test_set), tgt)


def read_json(path: Path) -> dict[str, object]:
    """Read an object; nothing when the file is not there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); remove it and run again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object; remove it and run again")
    return content


def _has_scored_text(row: ResultRow, data: Path, tgt: str) -> bool:
    texts = hypotheses_path(row, tgt), text_path(data / row.test_set, tgt)
    return row.bleu is not None and row.chrf2 is not None and all(text.is_file() for text in texts)


def _baselines(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Return the baselines; two that answer to the same description are an error."""
    found: dict[tuple[str, int | None, str], ResultRow] = {}
    for row in rows:
        key = (row.student, row.subset, row.test_set)
        if row.is_baseline and key in found:
            raise DataError(
                f"{found[key].directory} and {row.directory} are both {row.student} students of"
                f" {row.targets} targets and the same subset; report one of them"
            )
        if row.is_baseline:
            found[key] = row
    return list(found.values())


def _is_rival(row: ResultRow, real: ResultRow) -> bool:
    same = (row.student, row.subset, row.test_set) == (real.student, real.subset, real.test_set)
    return same and not row.is_baseline and row.targets != TEACHER


def _with_difference(row: ResultRow, real: ResultRow, bleu: Comparison, chrf2: Comparison) -> ResultRow:
    """Fill in the differences; the scores must be those that were compared."""
    if row.bleu is None or abs(row.bleu - bleu.score) > 1e-6:
        raise DataError(
            f"{row.directory} scores {row.bleu} BLEU on {row.test_set}, but {bleu.score} by {bleu.signature};"
            " score and report with the same tokenizer"
        )
    notes = row.notes
    if row.steps is not None and real.steps is not None and row.steps != real.steps:
        notes += (f"trained for {row.steps:,} steps, {real.targets} for {real.steps:,}",)
    return replace(
        row,
        bleu_delta=bleu.delta,
        bleu_p_value=bleu.p_value,
        chrf2_delta=chrf2.delta,
        chrf2_p_value=chrf2.p_value,
        notes=notes,
    )


def _read_scores(decoded: Path, reference: Path, tgt: str) -> tuple[list[MetricScore], list[str]]:
    """Return the metrics of a decoded test set, or none and the reason."""
    scores = decoded / "scores.json"
    if not scores.is_file():
        return [], [f"not scored yet, {scores} is not there"]
    if is_stale(scores, text_path(decoded, tgt), reference):
        return [], [f"{scores} is of another text than the one that is there now, score it again"]
    return read_metrics(scores), []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)
