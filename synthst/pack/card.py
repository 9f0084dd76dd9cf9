"""The model card, README.md of a pack: what the model is, what it learnt from, and how good it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthst.pack.licences import NOT_STATED, Licence
from synthst.pack.lineage import Origin
from synthst.score import MetricScore

TASKS = {"mt": "text translation", "st": "speech translation", "asr": "speech recognition"}
PIPELINES = {"mt": "translation", "st": "automatic-speech-recognition", "asr": "automatic-speech-recognition"}


@dataclass(frozen=True)
class Taught:
    """A teacher: its identity, how it searched, its licence, and what it was trained on if it is our own."""

    identity: Mapping[str, object]
    search: Mapping[str, object]
    licence: Licence
    trained: Mapping[str, object] = field(default_factory=dict)
    data: tuple[Origin, ...] = ()


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
    licences: Sequence[Licence]
    scores: Mapping[str, Sequence[MetricScore]]
    notes: Sequence[str]
    versions: Mapping[str, str]


def write_card(card: Card) -> str:
    """Return the card in Markdown, with the front matter that the hub of Hugging Face reads."""
    parts = [
        _front_matter(card),
        f"# {card.name}\n",
        _summary(card),
        _usage(card),
        "## Scores\n",
        _scores(card),
        "## Training data\n",
        _data(card.origins),
        "## Teacher\n",
        "\n".join(map(_teacher, card.teachers)) or "None: it learnt from human references.\n",
        "## Licences\n",
        _licences(card),
        "## Settings\n",
        _fenced(json.dumps({key: card.train["settings"][key] for key in ("model", "training")}, indent=1)),
        "## Made with\n",
        "".join(f"- {name} {version}\n" for name, version in card.versions.items()),
    ]
    return "\n".join(parts)


def _front_matter(card: Card) -> str:
    langs = list(dict.fromkeys(lang for lang in (card.src, card.tgt) if lang))
    lines = [f"language: [{', '.join(langs)}]", f"pipeline_tag: {PIPELINES[card.task]}"]
    lines += ["library_name: synthst", "tags: [espnet, synthst]"]
    if card.licence:
        lines.append(f"license: {json.dumps(card.licence)}")
    return "\n".join(["---", *lines, "---", ""])


def _summary(card: Card) -> str:
    train, direction = card.train, f"{card.src} to {card.tgt}" if card.src else card.tgt
    shape = train["settings"]["model"]
    told = (
        f"A model for {TASKS[card.task]}, {direction}: {shape['encoder_layers']} encoder and "
        f"{shape['decoder_layers']} decoder layers of width {shape['width']}, {train['parameters']:,} "
        f"parameters, {train['steps']:,} steps on {train['train_sentences']:,} sentences, targets: "
        f"{train.get('targets', 'not named')}; validation loss {train['valid_loss']:.3f} nats a token.\n"
    )
    return told + "".join(f"\n**Note:** {note}\n" for note in card.notes)


def _usage(card: Card) -> str:
    if card.task != "mt":
        return "## Use\n\n" + _fenced(
            "from synthst.espnet.speech_load import load_speech_model\n"
            'model = load_speech_model(Path("FILE"))         # this file\n\n'
            "# or: synthst unpack --pack FILE --out DIR && synthst translate_speech --models [DIR] ...",
            "python",
        )
    return "## Use\n\n" + _fenced(
        "synthst translate --model FILE < sentences.txt     # this file", "bash"
    ) + "\n" + _fenced(
        "from synthst.espnet.load import load_model\n"
        "from synthst.espnet.search import SearchOptions\n"
        "from synthst.espnet.translate import translate_sentences\n\n"
        'translate_sentences(load_model(Path("FILE")), ["A sentence."], SearchOptions(beam=4))',
        "python",
    )  # fmt: skip


def _scores(card: Card) -> str:
    if not card.scores:
        return "None: no test set has been decoded and scored.\n"
    lines = ["| test set | metric | score | signature |", "|---|---|---|---|"]
    for name, metrics in card.scores.items():
        lines += [f"| {name} | {one.name} | {one.score:.1f} | {_cell(one.signature)} |" for one in metrics]
    return "\n".join(lines) + "\n"


def _data(origins: Sequence[Origin]) -> str:
    """Return a line for each directory, nearest first: how it was made, and what was kept and dropped."""
    lines = []
    for origin in origins:
        if not origin.step:
            lines.append(f"- `{origin.path}`: not there any more when the pack was made")
            continue
        lines.append(f"- `{origin.path}`: {origin.step} {_options(origin.options)}".rstrip())
        if origin.counts:
            lines.append("  - " + ", ".join(f"{key} {count:,}" for key, count in origin.counts.items()))
        if filters := origin.options.get("filters"):
            lines.append(f"  - filters: `{json.dumps(filters, ensure_ascii=False)}`")
        if origin.packages:
            lines.append("  - from " + ", ".join(f"{name} {one}" for name, one in origin.packages.items()))
    return "\n".join(lines) + "\n"


def _options(options: Mapping[str, object]) -> str:
    shown = {key: value for key, value in options.items() if key != "filters" and value not in (None, "")}
    return f"({', '.join(f'{key}: {value}' for key, value in shown.items())})" if shown else ""


def _teacher(taught: Taught) -> str:
    lines = [f"- {key}: `{value}`" for key, value in taught.identity.items()]
    lines.append(f"- search: {', '.join(f'{key} {value}' for key, value in taught.search.items())}")
    if taught.trained:
        told = ", ".join(f"{key} {value}" for key, value in taught.trained.items())
        lines += [f"- trained here: {told}; on:", ""]
        lines.append("".join(f"  {line}\n" for line in _data(taught.data).splitlines()).rstrip("\n"))
    else:
        where = f" ({taught.licence.stated})" if taught.licence.stated else ""
        lines.append(f"- licence: {taught.licence.licence}{where}")
    return "\n".join(lines) + "\n"


def _licences(card: Card) -> str:
    lines = [
        f"This model: {card.licence or NOT_STATED}.",
        "",
        "| of | licence | stated in |",
        "|---|---|---|",
    ]
    elsewhere = [taught.licence for taught in card.teachers if not taught.trained]
    for one in dict.fromkeys([*card.licences, *elsewhere]):
        lines.append(f"| {one.of} | {one.licence} | {one.stated or '-'} |")
    if any(one.licence == NOT_STATED for one in [*card.licences, *elsewhere]):
        lines += ["", f"What is {NOT_STATED} here has to be looked up before the model is shared."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Let no character of a text end its cell of a table."""
    return text.replace("|", r"\|")


def _fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```\n"
