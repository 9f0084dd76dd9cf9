"""The command `synthst entropy`: how sure a model is of its next token (the paper's Table 8)."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

from synthst.analysis.audio import read_utterances
from synthst.analysis.models import check_reads, read_labels
from synthst.datadir import new_directory, text_path
from synthst.dump import read_dump
from synthst.errors import DataError
from synthst.espnet.options import SearchOptions
from synthst.espnet.settings import describe_weights
from synthst.info import is_made, read_info, write_info
from synthst.multilingual import read_tagged, read_tags
from synthst.tables import read_table
from synthst.teacher.protocol import SearchSettings

if TYPE_CHECKING:
    from synthst.espnet.entropy import SentenceEntropies

logger = logging.getLogger(__name__)

COLUMNS = ("id", "reference_tokens", "reference_entropy", "own_tokens", "own_entropy", "finished")


def entropy(
    model: Path,
    data: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    audio: Path | None = None,
    search: SearchSettings = SearchSettings(),  # noqa: B008 (frozen)
    batch_seconds: float = 120.0,
    ngpu: int = 0,
) -> None:
    """Measure the average entropy of p(next token | source, prefix) on the test set ``data``, in nats.

    For a source x and a prefix y_1..y_i it is H = -sum over all tokens v of the vocabulary, the end of the
    sentence included, of p(v | x, y_1..y_i) log p(v | x, y_1..y_i), with the natural logarithm and the
    model's own softmax: no temperature, no label smoothing, no dropout. The average is over tokens, not over
    sentences: the sum of H over all prefixes of all sentences, divided by their number.
    "reference" takes the prefixes of the reference (teacher forcing), from the empty one to the whole
    sentence, so a reference of n tokens has n + 1. "own" takes those of the model's own best translation by
    ``search``, as many as tokens were chosen: n + 1, or n when the length limit cut it off before its end.

    A speech translator reads ``audio``, the dump of the set; sources of several pairs get the tag of their
    pair's target, see `read_tagged`. ``out`` gets entropy.json, with both averages, and sentences.tsv, with
    those of every sentence.
    """
    check_reads(model, audio)
    made_by = _made_by(model, data, audio, src, tgt, search)
    if is_made(out, made_by):
        logger.info("%s is there already", out)
    else:
        test, device = (data, src, tgt), "cuda" if ngpu else "cpu"
        found = dict(_measure(model, *test, audio, SearchOptions(**asdict(search)), device, batch_seconds))
        summary: dict[str, object] = {"model": str(model), "data": str(data), "src": src, "tgt": tgt}
        summary["labels"] = read_labels(model)
        summary |= summarise(found, text_path(data, tgt))
        _write(out, summary, found, made_by, [model, data])
    print(describe_entropy(read_entropy(out)))


def _write(
    out: Path,
    summary: Mapping[str, object],
    found: Mapping[str, "SentenceEntropies"],
    made_by: Mapping[str, object],
    parents: list[Path],
) -> None:
    with new_directory(out) as folder:
        (folder / "entropy.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
        write_sentences(folder / "sentences.tsv", found)
        write_info(folder, made_by, parents=parents)


def summarise(found: Mapping[str, "SentenceEntropies"], references: Path) -> dict[str, object]:
    """Average over tokens; raises DataError when no sentence was measured."""
    if not found:
        raise DataError(f"{references}: no sentence of it was measured; is its audio too short?")
    sentences = sum(1 for _ in read_table(references))
    columns = {name: [getattr(one, name) for one in found.values()] for name in ("reference", "own")}
    averages: dict[str, object] = {
        name: {"entropy": fsum(map(fsum, rows)) / sum(map(len, rows)), "tokens": sum(map(len, rows))}
        for name, rows in columns.items()
    }
    cut_off = sum(not one.finished for one in found.values())
    return {"sentences": len(found), "too_short": sentences - len(found), "cut_off": cut_off, **averages}


def write_sentences(out: Path, found: Mapping[str, "SentenceEntropies"]) -> None:
    """Write a row for every sentence: tokens and their average entropy, for reference and own translation."""
    lines = ["\t".join(COLUMNS)]
    for key in sorted(found):
        one = found[key]
        numbers = (f"{len(row)}\t{fsum(row) / len(row):.6f}" for row in (one.reference, one.own))
        lines.append("\t".join([key, *numbers, str(one.finished).lower()]))
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def read_entropy(directory: Path) -> dict[str, object]:
    """Read what `entropy` measured; raises DataError when it is not there."""
    path = directory / "entropy.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found
    except (OSError, ValueError, AssertionError) as error:
        raise DataError(f"{path}: no entropies ({error}); make them with synthst entropy") from error


def describe_entropy(found: Mapping[str, object]) -> str:
    """Say the averages in one line."""
    reference, own = found["reference"], found["own"]
    assert isinstance(reference, dict) and isinstance(own, dict)
    return (
        f"{found['model']}: {reference['entropy']:.3f} nats along the reference ({reference['tokens']:,}"
        f" tokens), {own['entropy']:.3f} along its own translation ({own['tokens']:,} tokens,"
        f" {found['cut_off']:,} of {found['sentences']:,} cut off)"
    )


def _made_by(
    model: Path, data: Path, audio: Path | None, src: str, tgt: str, search: SearchSettings
) -> dict[str, object]:
    langs = [tgt] if audio else [src, tgt]
    texts = {lang: hashlib.sha256(text_path(data, lang).read_bytes()).hexdigest() for lang in langs}
    read = {"path": str(audio), "made_by": read_info(audio)["made_by"]} if audio else None
    made_by = {"step": "entropy", "weights_sha256": describe_weights(model), "data": str(data)}
    tagged = {"tags": sorted(tags)} if (tags := read_tags(data)) else {}
    return {**made_by, "sha256": texts, **tagged, "audio": read, "search": asdict(search)}


def _measure(
    model: Path,
    data: Path,
    src: str,
    tgt: str,
    audio: Path | None,
    options: SearchOptions,
    device: str,
    batch_seconds: float,
) -> Iterator[tuple[str, "SentenceEntropies"]]:
    if audio is None:
        return _measure_text(model, data, src, tgt, options, device)
    return _measure_speech(model, data, audio, tgt, options, device, batch_seconds)


def _measure_text(
    model: Path, data: Path, src: str, tgt: str, options: SearchOptions, device: str
) -> Iterator[tuple[str, "SentenceEntropies"]]:
    from synthst.espnet.entropy import text_entropies  # torch takes seconds to load
    from synthst.espnet.load import load_model

    rows = list(read_tagged(data, [src, tgt]))
    loaded = load_model(model, device=device)
    sources, references = [source for _, (source, _) in rows], [reference for _, (_, reference) in rows]
    found = text_entropies(loaded, sources, references, options)
    yield from zip([key for key, _ in rows], found, strict=True)


def _measure_speech(
    model: Path, data: Path, audio: Path, tgt: str, options: SearchOptions, device: str, batch_seconds: float
) -> Iterator[tuple[str, "SentenceEntropies"]]:
    from synthst.espnet.speech_entropy import speech_entropies
    from synthst.espnet.speech_load import load_speech_model

    dump, references = read_dump(audio), dict(read_table(text_path(data, tgt)))
    if set(dump.ids) != set(references):
        lacking = sorted(set(dump.ids) ^ set(references))
        raise DataError(
            f"{audio} and {text_path(data, tgt)} differ in {len(lacking):,} ids, the first is {lacking[0]};"
            " dump the audio of this test set"
        )
    loaded = load_speech_model(model, device=device)
    yield from speech_entropies(
        loaded,
        lambda: read_utterances(dump),
        references,
        options,
        rate=dump.rate,
        batch_seconds=batch_seconds,
    )
