"""Write the page: one HTML file that needs no other, no server and no network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from synthst.analysis.models import name_targets
from synthst.html import embed_json, page_environment
from synthst.page.figures import Figure
from synthst.page.models import Model
from synthst.page.sentences import SentenceSet
from synthst.page.tables import Entropies, Table, count_significant


@dataclass(frozen=True)
class Content:
    """What the page of the folder ``exp`` shows."""

    exp: Path
    models: Sequence[Model]
    sets: Sequence[SentenceSet]
    tables: Sequence[Table | Entropies]
    figures: Sequence[Figure]
    notes: Sequence[str]


@dataclass(frozen=True)
class Line:
    """A model on a test set, as the table of models shows it; numbers are None where not known.

    ``speed`` is in sentences per second, ``minutes`` are of training.
    """

    name: str
    experiment: str
    role: str
    targets: str
    student: str
    subset: int | None
    seed: str
    test_set: str
    bleu: float | None
    chrf2: float | None
    error_rate: float | None
    parameters: int | None
    sentences: int | None
    minutes: float | None
    speed: float | None


def render_page(content: Content) -> str:
    """Return the page."""
    environment = page_environment("synthst.page", "template", audit=("synthst.audit", "page"))
    environment.filters |= {"number": show_number, "size": show_size, "targets": name_targets}
    grids = [table for table in content.tables if isinstance(table, Table)]
    lines = [line for model in content.models for line in list_lines(model)]
    return environment.get_template("page.html").render(
        content=content,
        lines=lines,
        has_errors=any(line.error_rate is not None for line in lines),
        seeds=sorted({line.seed for line in lines}),
        significant=count_significant(grids),
        newest=max(model.finished for model in content.models),
        notes=list(dict.fromkeys([*content.notes, *list_notes(content.models)])),
        grids=grids,
        entropies=[table for table in content.tables if isinstance(table, Entropies)],
        data=embed_json([asdict(one) for one in content.sets]),
    )


def list_lines(model: Model) -> list[Line]:
    """Return a line for each test set that a model has decoded, or one without scores."""
    decoded = [(one.row, one.error_rate) for one in model.decoded] or [(model.row, None)]
    return [
        Line(
            *(model.directory.name, model.experiment, model.role),
            targets="transcripts" if model.role == "recogniser" else name_targets(row.targets),
            student=name_targets(row.student),
            subset=row.subset,
            seed=model.seed,
            test_set=row.test_set if model.decoded else "–",
            bleu=row.bleu,
            chrf2=row.chrf2,
            error_rate=error_rate,
            parameters=row.parameters,
            sentences=row.train_sentences,
            minutes=None if row.train_seconds is None else row.train_seconds / 60,
            speed=row.speed,
        )
        for row, error_rate in decoded
    ]


def list_notes(models: Sequence[Model]) -> list[str]:
    """Return what a reader must know beside the scores, such as how many translations were cut off."""
    return [
        f"{model.experiment}/{model.directory.name}, {one.row.test_set}: {note}"
        for model in models
        for one in model.decoded
        if one.row.bleu is not None
        for note in one.row.notes
    ]


def show_number(value: float | None, digits: int = 0) -> str:
    """Write a number with thousands separated; a dash for what is not known."""
    return "–" if value is None else f"{value:,.{digits}f}"


def show_size(parameters: int | None) -> str:
    """Write a number of parameters, in millions where there are so many."""
    if parameters is None or parameters < 1_000_000:
        return show_number(parameters)
    return f"{parameters / 1e6:,.1f} M"
