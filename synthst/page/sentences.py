"""Collect the test sentences with every system's translation, to be read side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthst.analysis.models import name_models
from synthst.datadir import text_path
from synthst.errors import DataError
from synthst.page.clips import Budget, make_clips
from synthst.page.models import REAL, Decoded, Model
from synthst.report.rows import TEACHER
from synthst.sampling import choose_ids
from synthst.speechtables import is_speech
from synthst.tables import join_tables

type System = tuple[Model, Decoded]


@dataclass(frozen=True)
class Sentence:
    """A test sentence: (translation, sentence chrF2 in 0..100) by system, and its audio as a data: URI."""

    id: str
    source: str
    reference: str
    translations: list[tuple[str, float]]
    audio: str | None


@dataclass(frozen=True)
class SentenceSet:
    """A test set that systems of one experiment have decoded, ``total`` sentences of which some are here.

    ``names`` and ``roles`` are the systems', ``bleu`` their scores. ``pair`` are the numbers of those to be
    shown at first. ``teachers`` are the numbers of the systems' teachers, None where there is none here.
    """

    title: str
    src: str
    tgt: str
    total: int
    names: list[str]
    roles: list[str]
    bleu: list[float]
    pair: tuple[int, int]
    teachers: list[int | None]
    sentences: list[Sentence]

    @property
    def audible(self) -> bool:
        """Tell whether there is audio of a sentence."""
        return any(sentence.audio for sentence in self.sentences)


def collect_sets(
    models: Sequence[Model], *, sentences: int, seed: int, budget: Budget
) -> tuple[list[SentenceSet], list[str]]:
    """Return the test sets of ``models`` in order, and notes of what could not be shown."""
    groups: dict[tuple[str, str, Path], list[System]] = {}
    notes = []
    for model, decoded in list_systems(models):
        source = find_source(model, decoded)
        if decoded.row.bleu is None:
            notes += [f"{model.directory}, {decoded.row.test_set}: {note}" for note in decoded.row.notes]
        elif decoded.references is None or source is None:
            notes.append(f"{decoded.hypotheses}: the texts that it was scored against are not there any more")
        else:
            key = (model.experiment, decoded.row.test_set, decoded.references)
            groups.setdefault(key, []).append((model, decoded))
    sets = [read_set(systems, sentences=sentences, seed=seed, budget=budget) for systems in groups.values()]
    if budget.unread:
        notes.append(
            f"audio of {len(budget.unread):,} sentences cannot be read, the first: {budget.unread[0]}"
        )
    return sets, notes


def list_systems(models: Sequence[Model]) -> Iterator[System]:
    """Yield every translator with each test set it has decoded."""
    for model in models:
        if model.role != "recogniser":
            yield from ((model, decoded) for decoded in model.decoded)


def find_source(model: Model, decoded: Decoded) -> Path | None:
    """Return the table of the source texts beside the references."""
    if decoded.references is None or model.src is None:
        return None
    source = text_path(decoded.references.parent, model.src)
    return source if source.is_file() else None


def read_set(systems: Sequence[System], *, sentences: int, seed: int, budget: Budget) -> SentenceSet:
    """Read the texts and scores of one test set; raises DataError when two tables differ in their ids."""
    model, decoded = systems[0]
    source, references = find_source(model, decoded), decoded.references
    assert source is not None and references is not None
    scores = [read_chrf(one.hypotheses.with_name("sentences.tsv")) for _, one in systems]
    rows = list(join_tables([source, references, *(one.hypotheses for _, one in systems)], allow_empty=True))
    is_chosen = choose_ids(references, min(sentences, len(rows)), seed=seed)
    chosen = [row for row in rows if is_chosen(row[0])]
    pair = choose_pair([model for model, _ in systems])
    differences = {id_: abs(scores[pair[1]][id_] - scores[pair[0]][id_]) for id_, _ in chosen}
    ranked = sorted(differences, key=lambda id_: (-differences[id_], id_))
    data = references.parent
    clips = make_clips(data, ranked, model.directory, budget) if is_speech(data) else {}
    return SentenceSet(
        title=f"{model.experiment}, {decoded.row.test_set}",
        src=str(model.src),
        tgt=model.tgt,
        total=len(rows),
        names=name_models([model.directory for model, _ in systems]),
        roles=[model.role for model, _ in systems],
        bleu=[float(one.row.bleu or 0) for _, one in systems],
        pair=pair,
        teachers=[find_teacher(model, [other for other, _ in systems]) for model, _ in systems],
        sentences=[
            Sentence(
                *(id_, texts[0], texts[1]),
                [(text, by_id[id_]) for text, by_id in zip(texts[2:], scores, strict=True)],
                clips.get(id_),
            )
            for id_, texts in chosen
        ],
    )


def read_chrf(path: Path) -> dict[str, float]:
    """Read the sentence chrF2 that scoring has written."""
    try:
        heading, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        column = heading.split("\t").index("chrF2")
        return {(cells := line.split("\t"))[0]: float(cells[column]) for line in lines}
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is no table of sentence scores ({error}); remove scores.json beside it and "
            "score the test set again"
        ) from error


def find_teacher(student: Model, models: Sequence[Model]) -> int | None:
    """Return the number of the model whose translations a student learnt from, None if it is not there.

    A store is in its teacher's folder. The ends of the paths are compared: experiments may have moved.
    """
    for store in student.stores:
        ending = store.parent.parts[-2:]
        for number, model in enumerate(models):
            if model.role == TEACHER and ending and model.directory.resolve().parts[-len(ending) :] == ending:
                return number
    return None


def choose_pair(models: Sequence[Model]) -> tuple[int, int]:
    """Return the numbers of a student of real targets and one that differs in the targets only.

    Without such a pair it is the first two systems, or the only one twice.
    """
    pairs = [
        (first, second)
        for first, one in enumerate(models)
        for second, other in enumerate(models)
        if one.role == REAL and other.role == "synthetic" and is_alike(one, other)
    ]
    short = [pair for pair in pairs if models[pair[1]].row.targets.startswith("synth")]
    plain = [pair for pair in pairs if models[pair[1]].row.targets == "synth"]
    return (plain or short or pairs or [(0, min(1, len(models) - 1))])[0]


def is_alike(one: Model, other: Model) -> bool:
    """Tell whether two students of one experiment have the same size, subset and seed."""
    first, second = (
        (model.experiment, model.row.student, model.row.subset, model.seed) for model in (one, other)
    )
    return first == second
