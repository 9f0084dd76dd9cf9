"""Read sentence pairs in the forms in which parallel corpora are published."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Literal

from synthst.corpora.compressed import read_lines
from synthst.corpora.tmx import read_tmx
from synthst.corpora.wmt_sets import read_sgm_pairs, read_xml_pairs
from synthst.errors import ConfigError, DataError

Form = Literal["lines", "tsv", "tmx", "sgm", "xml"]
Texts = tuple[str | None, str | None]

FILES_OF: dict[Form, int] = {"lines": 2, "tsv": 1, "tmx": 1, "sgm": 2, "xml": 1}


def read_bitext(
    files: Sequence[str],
    form: Form,
    *,
    langs: tuple[str, str],
    columns: tuple[int, int] = (1, 2),
    ref: str = "",
) -> Iterator[Texts]:
    """Yield the pairs of a corpus as they are, in the order ``langs``; None for a text that is not UTF-8.

    lines: two files, line n of one is the translation of line n of the other. tsv: one file, the texts in two
    ``columns``, counted from 1; a line without them gives empty texts. tmx: one translation memory. sgm: two
    files, source and reference. xml: one file of WMT21 or later, see `read_xml_pairs` for ``ref``. Each may
    be compressed, see `open_bytes`. Raises ConfigError for a wrong number of files.
    """
    if len(files) != FILES_OF[form]:
        told = f"the form {form} is of {FILES_OF[form]} files, not {len(files)}"
        raise ConfigError(f"{told} ({', '.join(files)}); name them all, or another form")
    if form == "lines":
        return _read_aligned(*files)
    if form == "tsv":
        return _read_columns(files[0], columns)
    if form == "tmx":
        return read_tmx(files[0], *langs)
    return read_sgm_pairs(*files) if form == "sgm" else read_xml_pairs(files[0], ref)


def _read_aligned(first: str, second: str) -> Iterator[Texts]:
    counts = [0, 0]
    for one, other in zip_longest(_boxed(first), _boxed(second)):
        counts = [counts[0] + (one is not None), counts[1] + (other is not None)]
        if one and other:
            yield one[0], other[0]
    if counts[0] != counts[1]:
        raise DataError(
            f"{first} has {counts[0]:,} lines, {second} {counts[1]:,}; line n of one must be the translation "
            "of line n of the other: fetch them again, or align them again"
        )


def _boxed(name: str) -> Iterator[tuple[str | None]]:
    """Yield lines in a tuple each, so that one that is not UTF-8 differs from none."""
    return ((line,) for line in read_lines(name))


def _read_columns(name: str, columns: tuple[int, int]) -> Iterator[Texts]:
    for line in read_lines(name):
        if line is None:
            yield None, None
            continue
        fields = line.split("\t")
        if len(fields) < max(columns):
            yield "", ""
        else:
            yield fields[columns[0] - 1], fields[columns[1] - 1]
