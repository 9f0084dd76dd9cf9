"""Tiny corpora in the exact forms in which WMT's texts are published."""

import gzip
import lzma
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Pairs = Sequence[tuple[str, str]]


def write_tsv(path: Path, pairs: Pairs, *, before: str = "") -> Path:
    """Write Europarl's and ParaCrawl's form, a pair a line; ``before`` is WikiMatrix' column of scores."""
    lines = "".join(f"{before}{source}\t{target}\n" for source, target in pairs)
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "wt", encoding="utf-8", newline="\n") as file:
        file.write(lines)
    return path


def write_moses_zip(path: Path, name: str, langs: tuple[str, str], pairs: Pairs) -> Path:
    """Write OPUS' form: a zip with a README and a file for each language."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "a corpus\n")
        for side, lang in enumerate(langs):
            archive.writestr(f"{name}.{lang}", "".join(f"{pair[side]}\n" for pair in pairs))
    return path


def write_tmx(path: Path, langs: tuple[str, str], pairs: Pairs) -> Path:
    """Write Tilde's form: a zip of one TMX file with document type, notes and properties."""
    units = "".join(
        f'    <tu tuid="{number}">\n      <prop type="score">1.0</prop>\n'
        + "".join(
            f'      <tuv xml:lang="{lang}"><prop type="x">y</prop><seg>{escape(text)}</seg></tuv>\n'
            for lang, text in zip(langs, pair, strict=True)
        )
        + "    </tu>\n"
        for number, pair in enumerate(pairs, 1)
    )
    header = f'<header creationtool="toy" segtype="sentence" o-tmf="x" adminlang="en" srclang="{langs[0]}"/>'
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
        f'<tmx version="1.4">\n  {header}\n  <body>\n{units}  </body>\n</tmx>\n'
    )
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.stem, text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


def write_sgm(folder: Path, name: str, langs: tuple[str, str], pairs: Pairs) -> tuple[Path, Path]:
    """Write the form of test sets until 2020, <name>-src.<lang>.sgm and <name>-ref.<lang>.sgm."""
    pair = "".join(langs)
    paths = (folder / f"{name}-{pair}-src.{langs[0]}.sgm", folder / f"{name}-{pair}-ref.{langs[1]}.sgm")
    half = len(pairs) // 2
    for side, (path, kind) in enumerate(zip(paths, ("src", "ref"), strict=True)):
        documents = ""
        for doc, part in enumerate((pairs[:half], pairs[half:]), 1):
            segments = "".join(f'<seg id="{n}">{row[side]}</seg>\n' for n, row in enumerate(part, 1))
            opening = f'<doc sysid="{kind}" docid="news.{doc}" genre="news" origlang="{langs[0]}">'
            documents += f"{opening}\n<p>\n{segments}</p>\n</doc>\n"
        lang = f'srclang="{langs[0]}"' + (f' trglang="{langs[1]}"' if side else "")
        path.write_text(
            f'<{kind}set setid="{name}" {lang}>\n{documents}</{kind}set>\n', encoding="utf-8", newline="\n"
        )
    return paths


def write_xml(path: Path, langs: tuple[str, str], pairs: Pairs, references: Sequence[str] = ("A",)) -> Path:
    """Write WMT21's form: one file with source, references by translator, and a system's output."""

    def side(tag: str, lang: str, part: Pairs, column: int, who: str, mark: str) -> str:
        segments = "".join(
            f'<seg id="{number}">{escape(row[column] + mark)}</seg>\n' for number, row in enumerate(part, 1)
        )
        return f'<{tag} lang="{lang}"{who}>\n<p>\n{segments}</p>\n</{tag}>\n'

    documents = ""
    for doc in range(0, len(pairs), 5):
        part = pairs[doc : doc + 5]
        documents += f'<doc origlang="{langs[0]}" id="paper.{doc}">\n' + side(
            "src", langs[0], part, 0, "", ""
        )
        for number, name in enumerate(references):
            documents += side("ref", langs[1], part, 1, f' translator="{name}"', " again" * number)
        documents += side("hyp", langs[1], part, 1, ' system="online"', " hyp") + "</doc>\n"
    path.write_text(
        f"<?xml version='1.0' encoding='UTF-8'?>\n<dataset id=\"newstest2021.{'-'.join(langs)}\">\n"
        f"{documents}</dataset>\n",
        encoding="utf-8",
    )
    return path
