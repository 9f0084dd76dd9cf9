"""Write an experiment's table as Markdown, CSV and LaTeX."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.experiments.definition import Experiment
from synthst.experiments.grid import Grid, explain_grid, make_grid, paper_delta
from synthst.experiments.scores import CellScore, Summary
from synthst.report.machine import describe_machine
from synthst.report.markdown import fenced
from synthst.report.rows import ResultRow
from synthst.report.table import show_number, show_p_value
from synthst.testsets import set_name
from synthst.versions import describe_versions

DETAILS = ("BLEU", "chrF2", "difference", "p", "sentences", "steps", "parameters", "minutes")
CSV_COLUMNS = (
    *("table", "preset", "row", "column", "system", "seed", "test_set", "status", "bleu", "bleu_deviation"),
    *("chrf2", "delta", "delta_deviation", "p_value", "paper_row", "paper_column", "paper", "paper_delta"),
    *("train_sentences", "steps", "parameters", "train_seconds", "directory", "options"),
)
TEX_CODES = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"±": "$\\pm$", "*": "$^{*}$", "<": "$<$", ">": "$>$"},
}


def write_table(
    experiment: Experiment,
    summaries: Sequence[Summary],
    out: Path,
    *,
    preset: str,
    command: str,
    teachers: Sequence[ResultRow] = (),
) -> str:
    """Write <name>.md, .csv and .tex into ``out``; return the grid as text for a terminal."""
    grid = make_grid(experiment, preset, summaries)
    note = explain_grid(experiment.at("systems", preset), summaries)
    parts = [
        f"# {experiment.title}, preset {preset}\n\n{fenced(command)}",
        f"{_origin()}\n{tell_training(summaries)}\n",
        f"{markdown_table(grid)}\n{_escape_markdown(note)}\n",
        *_told_below(summaries, teachers, out),
        f"## In full\n\n{markdown_table(list_details(summaries))}",
        "".join(f"- `{signature}`\n" for signature in _signatures(summaries)),
    ]
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "md": "\n".join(part for part in parts if part),
        "csv": write_csv(experiment, preset, summaries),
        "tex": latex_table(grid, f"{strip_number(experiment.title)}. {note}"),
    }
    for suffix, text in texts.items():
        with atomic_file(out / f"{experiment.name}.{suffix}") as file:
            file.write(text.encode())
    return f"{experiment.title}, preset {preset}\n{aligned(grid)}{note}\n"


def markdown_table(lines: Grid) -> str:
    """Return lines, the first its headings, as a Markdown table."""
    heading, *others = [[_escape_markdown(text) for text in line] for line in lines]
    rows = [heading, ["---"] * len(heading), *others]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def aligned(lines: Grid) -> str:
    """Return lines in columns, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines
    ]
    return "".join(f"{line.rstrip()}\n" for line in padded)


def latex_table(grid: Grid, caption: str) -> str:
    """Return the grid as a LaTeX table, for a document that uses the package booktabs."""
    heading, *lines = [[escape_latex(text) for text in line] for line in grid]
    body = []
    for number, line in enumerate(lines):
        if number and line[0]:
            body.append("\\addlinespace")
        body.append(f"{' & '.join(line)} \\\\")
    return "\n".join(
        [
            *(
                "% \\usepackage{booktabs}",
                "\\begin{table}",
                "\\centering",
                f"\\caption{{{escape_latex(caption)}}}",
            ),
            *(f"\\begin{{tabular}}{{{'l' * len(heading)}}}", "\\toprule", f"{' & '.join(heading)} \\\\"),
            *("\\midrule", *body, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""),
        ]
    )


def strip_number(title: str) -> str:
    """Return a title without "Table 7: " before it, for LaTeX numbers tables itself."""
    told = re.sub(r"^Table \d+: *", "", title)
    return told[:1].upper() + told[1:]


def escape_latex(text: str) -> str:
    """Return ``text`` such that LaTeX sets every character; a minus before a digit becomes a real one."""
    escaped = "".join(TEX_CODES.get(letter, letter) for letter in text)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def list_details(summaries: Sequence[Summary]) -> Grid:
    """Return a line for each row, column, system and seed, with all that is known of it."""
    lines = [["row", "column", "system", "seed", "test set", *DETAILS]]
    for score in (score for summary in summaries for score in summary.scores):
        place, row = score.cell.place, score.result
        start = [*place[:3], "-" if place.seed is None else str(place.seed), set_name(score.cell.test_set)]
        lines.append([*start, *([score.status, *["-"] * 7] if row is None else _details(score, row))])
    return lines


def write_csv(experiment: Experiment, preset: str, summaries: Sequence[Summary]) -> str:
    """Return the CSV: a line for each seed, and, for several or an average of columns, one of seed "all"."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for summary in summaries:
        shared = {"table": experiment.name, "preset": preset} | _paper_values(experiment, summary, preset)
        for score in summary.scores:
            writer.writerow(shared | _seed_values(score, experiment.recipe.parent))
        if len(summary.scores) != 1:
            writer.writerow(shared | _mean_values(summary))
    return text.getvalue()


def _details(score: CellScore, row: ResultRow) -> list[str]:
    return [
        show_number(row.bleu, 1),
        show_number(row.chrf2, 1),
        "-" if score.delta is None else f"{score.delta:+.1f}",
        "-" if score.p_value is None else show_p_value(score.p_value).removeprefix("p ").removeprefix("= "),
        show_number(row.train_sentences),
        show_number(row.steps),
        show_number(row.parameters),
        show_number(None if row.train_seconds is None else row.train_seconds / 60, 1),
    ]


def _paper_values(experiment: Experiment, summary: Summary, preset: str) -> dict[str, object]:
    system = [entry.name for entry in experiment.systems].index(summary.system)
    names: dict[str, object] = {"row": summary.row, "column": summary.column}
    axes = {"row": experiment.rows, "column": experiment.columns}
    in_paper = {
        f"paper_{axis}": next(
            (entry.paper for entry in axes[axis] if entry.name == name and entry.paper), name
        )
        for axis, name in names.items()
    }
    scores = experiment.paper_scores(summary.row, summary.column, preset)
    if scores is None:
        return names | {"system": summary.system}
    delta = paper_delta(scores, system)
    shown = "" if delta is None else f"{delta:.1f}"
    return names | {
        "system": summary.system,
        **in_paper,
        "paper": round(scores[system], 1),
        "paper_delta": shown,
    }


def _seed_values(score: CellScore, folder: Path) -> dict[str, object]:
    seed, model = score.cell.place.seed, score.run.model
    values: dict[str, object] = {
        "seed": "" if seed is None else seed,
        "test_set": set_name(score.cell.test_set),
        "status": score.status,
        "options": " ".join(f"--{name} {value}" for name, value in score.cell.options),
        "directory": model.relative_to(folder) if model.is_relative_to(folder) else model,
    }
    if (row := score.result) is not None:
        values |= {"bleu": row.bleu, "chrf2": row.chrf2, "delta": score.delta, "p_value": score.p_value}
        values |= {
            name: getattr(row, name) for name in ("train_sentences", "steps", "parameters", "train_seconds")
        }
    return {name: "" if value is None else value for name, value in values.items()}


def _mean_values(summary: Summary) -> dict[str, object]:
    test_set = set_name(summary.scores[0].cell.test_set) if summary.scores else ""
    values: dict[str, object] = {"seed": "all", "status": summary.status, "test_set": test_set}
    for name, number in (("bleu", summary.bleu), ("delta", summary.delta)):
        if number is not None:
            values |= {name: number.mean, f"{name}_deviation": number.deviation}
    return values | ({} if summary.p_value is None else {"p_value": summary.p_value})


def _origin() -> str:
    versions = describe_versions()
    commit = versions.pop("commit")
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"- Written: {date}, on {describe_machine()}\n- Versions: {listed}; commit {commit}"


def tell_training(summaries: Sequence[Summary]) -> str:
    """Say how long the models of the table were trained, each model once."""
    scores = [score for summary in summaries for score in summary.scores]
    seconds = {s.run.model: s.result.train_seconds or 0 for s in scores if s.result is not None}
    minutes = sum(seconds.values()) / 60
    return f"- Training: {minutes:,.0f} minutes in all, {len(seconds)} students"


def _told_below(summaries: Sequence[Summary], teachers: Sequence[ResultRow], out: Path) -> Iterator[str]:
    """Yield the teachers' scores, and the lists of what failed and of what a reader must know."""
    scores = [score for summary in summaries for score in summary.scores]
    told = [
        f"{teacher.directory.name}: {show_number(teacher.bleu, 1)} BLEU on {teacher.test_set}"
        for teacher in teachers
    ]
    failed = [f"{s.cell.place}: {s.failure.told(beside=out)}" for s in scores if s.failure]
    notes = [f"{s.cell.place}: {note}" for s in scores if s.result for note in s.result.notes]
    for title, lines in (("Teachers", told), ("Failed", failed), ("Notes", notes)):
        if lines:
            yield f"{title}:\n\n" + "".join(f"- {_escape_markdown(line)}\n" for line in lines)


def _signatures(summaries: Sequence[Summary]) -> list[str]:
    scores = [score.result for summary in summaries for score in summary.scores if score.result]
    return list(dict.fromkeys(signature for row in scores for signature in row.signatures))


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<\[\]])", r"\\\1", text)
