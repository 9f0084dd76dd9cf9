"""Several test sets side by side: the mean of the unrounded scores, and only of complete systems."""

from pathlib import Path

from synthst.report.averages import average_table
from synthst.report.rows import ResultRow


def row(targets: str, test_set: str, bleu: float | None, subset: int | None = 4000) -> ResultRow:
    return ResultRow(Path(f"mt_{targets}_{subset}"), targets, "2x2", test_set, subset=subset, bleu=bleu)


def test_average_table_gives_the_mean_of_unrounded_scores() -> None:
    rows = [row("real", "de", 10.04), row("a|b", "de", 1.0, None), row("real", "es", 20.16)]
    rows += [row("a|b", "es", 2.0, None)]
    assert average_table(rows) == (
        "| BLEU: targets | Student | Subset | de | es | Average |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| real | 2x2 | 4,000 | 10.0 | 20.2 | 15.1 |\n"
        "| a\\|b | 2x2 | all | 1.0 | 2.0 | 1.5 |\n"
    )


def test_average_table_leaves_out_systems_that_lack_a_score() -> None:
    rows = [
        row("real", "de", 10.0),
        row("real", "es", None),
        row("synth", "de", 1.0),
        row("synth", "es", 2.0),
    ]
    assert "real" not in average_table(rows) and "| synth | 2x2 | 4,000 | 1.0 | 2.0 | 1.5 |" in average_table(
        rows
    )
    assert average_table([*rows[:2], row("synth", "de", 1.0)]) == ""


def test_average_table_of_one_test_set_is_empty() -> None:
    assert average_table([row("real", "de", 10.0), row("synth", "de", 11.0)]) == ""
    assert average_table([]) == ""
