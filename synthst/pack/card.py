"""The model card, README.md of a pack: what the model is, what it learnt from, and how good it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthst.pack.directions import find_directions, list_languages, list_tags
from synthst.pack.espnet_meta import can_espnet_build
from synthst.pack.front_matter import TASKS, write_front_matter
from synthst.pack.licences import NOT_STATED, Licence
from synthst.pack.limits import describe_limits
from synthst.pack.lineage import Origin
from synthst.pack.names import name_corpus, name_teacher_place, with_short_paths
from synthst.pack.scores import TEACHER, Scores
from synthst.pack.usage import SPEECH_RATE, fenced, show_speech_usage, show_text_usage
from synthst.pack.writers import Writer, describe_no_teacher
from synthst.score import MetricScore


@dataclass(frozen=True)
class Taught:
    """A teacher: its identity, how it searched, its licence, and what it was trained on if it is our own."""

    identity: Mapping[str, object]
    search: Mapping[str, object]
    licence: Licence
    trained: Mapping[str, object] = field(default_factory=dict)
    data: tuple[Origin, ...] = ()
    direction: str = ""


@dataclass(frozen=True)
class Card:
    """All that a card tells; ``train`` is the model's train.json."""

    name: str
    task: str
    src: str
    tgt: str
    licence: str | None
    train: Mapping[str, Any]
    origins: Sequence[Origin]
    teachers: Sequence[Taught]
    writer: Writer
    licences: Sequence[Licence]
    scores: Scores
    rivals: Mapping[str, Scores]
    cut_off: Mapping[str, tuple[int, int]]
    notes: Sequence[str]
    versions: Mapping[str, str]
    short: Mapping[str, str]
    """What is told instead of a path on the maker's machine, by that path."""

    @property
    def directions(self) -> list[tuple[str, str]]:
        """Return every pair of languages; a recogniser's source is ""."""
        return find_directions(self.src, self.tgt, self.origins)


def write_card(card: Card) -> str:
    """Return the card in Markdown, with the front matter that the hub of Hugging Face reads."""
    short, known = card.short, {origin.path for origin in card.origins}
    teachers = []
    for taught in card.teachers:
        teachers.append(_teacher(taught, short, known))
        known |= {one.path for one in taught.data}
    parts = [
        write_front_matter(
            *(card.name, card.task, list_languages(card.directions)), licence=card.licence, scores=card.scores
        ),
        f"# {card.name}\n",
        _summary(card),
        _usage(card),
        describe_limits(
            *(card.task, card.origins),
            writer=card.writer,
            label=card.train.get("targets"),
            is_scored=bool(card.scores),
            cut_off=card.cut_off,
        ),
        "## Scores\n",
        _scores(card),
        "## Training data\n",
        "Each line is a set of sentences and the command that made it, the last step first.\n",
        _data(card.origins, short),
        "## Teacher\n",
        "\n".join(teachers) or describe_no_teacher(card.writer),
        "## Licences\n",
        _licences(card),
        "## Settings\n",
        fenced(json.dumps({key: card.train["settings"][key] for key in ("model", "training")}, indent=1)),
        "## Made with\n",
        _versions(card),
    ]
    return "\n".join(parts)


def _summary(card: Card) -> str:
    train = card.train
    shape, direction = train["settings"]["model"], _directions(card.directions)
    told = (
        f"A model for {TASKS[card.task]}, {direction}: {shape['encoder_layers']} encoder and "
        f"{shape['decoder_layers']} decoder layers of width {shape['width']}, {train['parameters']:,} "
        f"parameters, {train['steps']:,} steps on {train['train_sentences']:,} sentences, targets: "
        f"{train.get('targets', 'not named')}; validation loss {train['valid_loss']:.3f} nats a token.\n"
    )
    return told + "".join(f"\n**Note:** {note}\n" for note in card.notes)


def _directions(directions: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{src} to {tgt}" if src else tgt for src, tgt in directions)


def _usage(card: Card) -> str:
    if card.task == "mt":
        return show_text_usage(list_tags(card.directions))
    audio = card.train["settings"].get("audio") or [{}]
    rate = audio[0].get("made_by", {}).get("rate", SPEECH_RATE)
    return show_speech_usage(card.task, rate, is_espnet_s=can_espnet_build(card.train))


def _scores(card: Card) -> str:
    if not card.scores:
        return "None: no test set has been decoded and scored.\n"
    columns = ["test set", "metric", "this model", *card.rivals, "signature"]
    lines = [_row(columns), "|---" * len(columns) + "|"]
    for name, metrics in card.scores.items():
        for one in metrics:
            others = [_same_metric(scores.get(name, ()), one) for scores in card.rivals.values()]
            lines.append(_row([name, one.name, f"{one.score:.1f}", *others, one.signature]))
    heard = card.task == "st" and any(name.startswith(TEACHER) for name in card.rivals)
    return "\n".join(lines) + "\n" + ("\nA teacher of text reads the correct transcripts.\n" if heard else "")


def _same_metric(metrics: Sequence[MetricScore], wanted: MetricScore) -> str:
    found = (one for one in metrics if (one.name, one.signature) == (wanted.name, wanted.signature))
    return next((f"{one.score:.1f}" for one in found), "-")


def _data(origins: Sequence[Origin], short: Mapping[str, str]) -> str:
    """Return a line for each directory, nearest first: how it was made, and what was kept and dropped."""
    lines = []
    for origin in origins:
        name = f"`{short[str(origin.path)]}`"
        if not origin.step:
            lines.append(f"- {name}: not there any more when the pack was made")
            continue
        name = f"**{name_corpus(origin)}**, {name}" if origin.is_corpus else name
        options = with_short_paths(origin.options, short)
        assert isinstance(options, dict)
        lines.append(f"- {name}: {origin.step} {_options(options)}".rstrip())
        if origin.counts:
            lines.append("  - " + ", ".join(f"{key} {count:,}" for key, count in origin.counts.items()))
        if filters := options.get("filters"):
            lines.append(f"  - filters: `{json.dumps(filters, ensure_ascii=False)}`")
        if origin.packages:
            lines.append("  - from " + ", ".join(f"{name} {one}" for name, one in origin.packages.items()))
    return "\n".join(lines) + "\n"


def _options(options: Mapping[str, object]) -> str:
    shown = {key: value for key, value in options.items() if key != "filters" and value not in (None, "")}
    return f"({', '.join(f'{key}: {value}' for key, value in shown.items())})" if shown else ""


def _teacher(taught: Taught, short: Mapping[str, str], known: set[Path]) -> str:
    """Return what is told of a teacher; of its training data those in ``known`` are named only."""
    named = {
        key: name_teacher_place(short.get(str(value), str(value))) for key, value in taught.identity.items()
    }
    heading = [f"**{named.get('name', 'unknown')}**", *([taught.direction] if taught.direction else [])]
    lines = [", ".join(heading) + "\n", *(f"- {key}: `{value}`" for key, value in named.items())]
    lines.append(f"- search: {', '.join(f'{key} {value}' for key, value in taught.search.items())}")
    if not taught.trained:
        where = f" ({taught.licence.stated})" if taught.licence.stated else ""
        lines.append(f"- licence: {taught.licence.licence}{where}")
        return "\n".join(lines) + "\n"
    lines.append(f"- trained here: {', '.join(f'{key} {value}' for key, value in taught.trained.items())}")
    if above := [f"`{short[str(one.path)]}`" for one in taught.data if one.path in known]:
        lines.append(f"- trained on, of the data above: {', '.join(above)}")
    if others := [one for one in taught.data if one.path not in known]:
        lines += ["- trained on, besides:" if above else "- trained on:", ""]
        lines.append("".join(f"  {line}\n" for line in _data(others, short).splitlines()).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _licences(card: Card) -> str:
    lines = [
        f"This model: {card.licence or NOT_STATED}.",
        "",
        _row(["of", "licence", "stated in"]),
        "|---|---|---|",
    ]
    elsewhere = [taught.licence for taught in card.teachers if not taught.trained]
    every = list(dict.fromkeys([*card.licences, *elsewhere]))
    lines += [_row([one.of, one.licence, one.stated or "-"]) for one in every]
    if any(one.licence == NOT_STATED for one in every):
        lines += ["", f"What is {NOT_STATED} here has to be looked up before the model is shared."]
    return "\n".join(lines) + "\n"


def _versions(card: Card) -> str:
    """Return the versions that trained, each set that a training went on with, and those that packed."""
    trained = [_listed(one) for one in card.train.get("versions") or []] or ["not recorded"]
    lines = [f"- training: {one}" for one in trained] + [f"- packing: {_listed(card.versions)}"]
    return "\n".join(lines) + "\n"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Let no character of a text end its cell of a table."""
    return text.replace("|", r"\|")
