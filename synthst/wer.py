"""Word error rate (WER) of a recogniser's transcripts, joined with the references by id.

Before words are counted, a text is normalised: Unicode NFC, lower case, and every punctuation mark and symbol
(Unicode's categories P and S) becomes a blank, but for an apostrophe inside a word, typographic or not:
"Don't re-enter 3.5%!" has the words don't, re, enter, 3 and 5. Words are what blanks separate, so the rate is
of no use for languages written without blanks.
"""

import hashlib
import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.errors import DataError
from synthst.tables import join_tables

logger = logging.getLogger(__name__)

SIGNATURE = "nrefs:1|case:lower|punct:blank|apostrophe:inner|unicode:nfc"
_OUTER_APOSTROPHE = re.compile(r"(?<!\w)'+|'+(?!\w)")


@dataclass(frozen=True)
class WordErrors:
    """The fewest words to change, insert and delete that make a reference from a hypothesis.

    Insertions are words that the hypothesis has too many. Among several ways the one with the most
    substitutions counts. ``words`` are the reference's.
    """

    substitutions: int
    insertions: int
    deletions: int
    words: int

    @property
    def errors(self) -> int:
        """Return the number of all errors."""
        return self.substitutions + self.insertions + self.deletions


@dataclass(frozen=True)
class WordErrorRate:
    """The errors of one recogniser on one test set; ``rate`` is 100 * errors / words of the references."""

    rate: float
    total: WordErrors
    utterances: int
    empty_hypotheses: int
    empty_references: int
    """Texts without a word; those of the hypotheses are insertions only."""
    by_utterance: dict[str, WordErrors]

    @property
    def verbose(self) -> str:
        """Return a line that can be cited."""
        e = self.total
        return (
            f"WER|{SIGNATURE} = {self.rate:.2f} "
            f"({e.substitutions} sub, {e.insertions} ins, {e.deletions} del of {e.words} words)"
        )


def word_error_rate(hyp: Path, ref: Path, out: Path) -> WordErrorRate:
    """Score table ``hyp`` against ``ref`` by id; write ``out`` (wer.json), and wer.tsv of the same name.

    The json holds ``metrics`` as that of `score_system` does. An empty hypothesis or reference is scored and
    counted. Raises DataError when a table lacks an id that the other has, or the references have no word.
    """
    rows = [
        (id_, split_words(h), split_words(r)) for id_, (h, r) in join_tables([hyp, ref], allow_empty=True)
    ]
    by_utterance = {id_: count_errors(h, r) for id_, h, r in rows}
    total = _sum(by_utterance.values())
    if not total.words:
        raise DataError(f"{ref}: no word in {len(rows)} references; name the table of the transcripts")
    result = WordErrorRate(
        rate=100 * total.errors / total.words,
        total=total,
        utterances=len(rows),
        empty_hypotheses=sum(not h for _, h, _ in rows),
        empty_references=sum(not r for _, _, r in rows),
        by_utterance=by_utterance,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    _write_utterances(out.with_suffix(".tsv"), by_utterance)
    _write_rate(out, result, hyp, ref)
    logger.info("%s: %s", hyp, result.verbose)
    return result


def split_words(text: str) -> list[str]:
    """Normalise a text and return its words."""
    lower = unicodedata.normalize("NFC", text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    kept = "".join(" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in lower)
    return _OUTER_APOSTROPHE.sub(" ", kept).split()


def count_errors(hyp: Sequence[str], ref: Sequence[str]) -> WordErrors:
    """Compare the words of a hypothesis with those of a reference, by dynamic programming.

    A cost of ``unit`` for a substitution and ``unit + 1`` for the others makes the distance tell both the
    number of errors and how many of them are insertions or deletions.
    """
    unit = len(hyp) + len(ref) + 1
    row = [(unit + 1) * n for n in range(len(ref) + 1)]
    for word in hyp:
        diagonal, row[0] = row[0], row[0] + unit + 1
        for n, wanted in enumerate(ref, start=1):
            best = diagonal if word == wanted else diagonal + unit
            diagonal = row[n]
            row[n] = min(best, row[n] + unit + 1, row[n - 1] + unit + 1)
    errors, unpaired = divmod(row[-1], unit)
    surplus = len(hyp) - len(ref)
    return WordErrors(errors - unpaired, (unpaired + surplus) // 2, (unpaired - surplus) // 2, len(ref))


def _sum(errors: Iterable[WordErrors]) -> WordErrors:
    columns = [(e.substitutions, e.insertions, e.deletions, e.words) for e in errors]
    return (
        WordErrors(*(sum(column) for column in zip(*columns, strict=True)))
        if columns
        else WordErrors(0, 0, 0, 0)
    )


def _write_utterances(out: Path, by_utterance: Mapping[str, WordErrors]) -> None:
    lines = [
        f"{id_}\t{e.substitutions}\t{e.insertions}\t{e.deletions}\t{e.words}\n"
        for id_, e in by_utterance.items()
    ]
    with atomic_file(out) as file:
        file.write(("id\tsubstitutions\tinsertions\tdeletions\twords\n" + "".join(lines)).encode())


def _write_rate(out: Path, result: WordErrorRate, hyp: Path, ref: Path) -> None:
    metric = {"name": "WER", "score": result.rate, "signature": SIGNATURE, "verbose": result.verbose}
    content = asdict(result)
    del content["rate"], content["by_utterance"]
    content = {"metrics": [metric], **content, "hypotheses": _describe(hyp), "references": [_describe(ref)]}
    with atomic_file(out) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _describe(path: Path) -> dict[str, object]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}
