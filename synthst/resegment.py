"""Cut translations of automatically segmented talks again, so that they fit the references' lines.

The paper's Table 5 scores IWSLT's test sets so. The minimum of the word error rate decides where to cut
(Matusov et al., IWSLT 2005), by the program mweralign (Post and Hoang, IWSLT 2025), run as a process
of its own.
"""

import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from synthst.datadir import new_directory, text_path
from synthst.errors import ConfigError, DataError, install_command
from synthst.info import is_made, read_info, write_info
from synthst.tables import Row, join_tables, write_table
from synthst.testsets import decoded_path

logger = logging.getLogger(__name__)

SEGMENTS = "_segments"  # behind a test set's name: its speech, of which a model decoded the segments

_PROGRAM = "from mweralign.mweralign import main; main()"


def resegment(models: list[Path], data: Path, test_sets: list[str], *, tokenizer: str = "none") -> None:
    """Make <model>/decode_<set> of <model>/decode_<set>_segments, with the ids of ``data``/<set>.

    ``data``/<set> and ``data``/<set>_segments have utt2doc: the translations of a talk are put together in
    the order of their ids and cut at the lines of its references. ``tokenizer`` is mweralign's: none
    compares words between blanks, a SentencePiece model its pieces. A test set without segments and a
    directory that is no trained model are passed over. Raises DataError when translations are missing.
    """
    for directory in models:
        if not (directory / "train.json").is_file():
            logger.info("%s holds no model that was trained here; nothing to cut again", directory)
            continue
        lang = json.loads((directory / "train.json").read_text(encoding="utf-8"))["settings"]["tgt"]
        for name in test_sets:
            if (data / f"{name}{SEGMENTS}").is_dir():
                _resegment_set(directory, data, name, lang, tokenizer)


def _resegment_set(model: Path, data: Path, name: str, lang: str, tokenizer: str) -> None:
    segments, out = decoded_path(model, f"{name}{SEGMENTS}"), decoded_path(model, name)
    if not segments.is_dir():
        raise DataError(f"{segments} is missing; decode the test set {name}{SEGMENTS} first (stage 10)")
    made_by = {"step": "resegment", "data": data / name, "tokenizer": tokenizer}
    made_by["segments"] = read_info(segments)["made_by"]
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    hypotheses = _by_document(text_path(segments, lang), data / f"{name}{SEGMENTS}/utt2doc")
    references = _by_document(text_path(data / name, lang), data / name / "utt2doc")
    rows = align(hypotheses, references, tokenizer=tokenizer)
    with new_directory(out) as folder:
        write_table(text_path(folder, lang), sorted(rows), allow_empty=True)
        (folder / "decode.json").write_bytes((segments / "decode.json").read_bytes())
        write_info(folder, made_by, parents=[segments, data / name])
    logger.info("%s: cut %s again into %d lines", out, segments.name, len(rows))


def _by_document(text: Path, documents: Path) -> dict[str, list[Row]]:
    """Read the lines of each document, with their ids and in their order.

    Raises DataError when the two tables do not have the same ids.
    """
    found: dict[str, list[Row]] = defaultdict(list)
    for utterance, (line, document) in join_tables([text, documents], allow_empty=True):
        found[document].append((utterance, line))
    return found


def align(
    hypotheses: Mapping[str, Sequence[Row]],
    references: Mapping[str, Sequence[Row]],
    *,
    tokenizer: str = "none",
) -> list[Row]:
    """Return the words of ``hypotheses``, cut into as many lines as ``references``, by the references' ids.

    Both are by document. No word is lost, added or moved to another document. Raises DataError when the
    documents are not the same, when mweralign fails or gives other words back, and ConfigError when it is
    not installed.
    """
    if hypotheses.keys() != references.keys():
        raise DataError(
            f"translated are the talks {', '.join(sorted(hypotheses))}, the references are of "
            f"{', '.join(sorted(references))}; prepare the test set again"
        )
    joined = {doc: _join_words(line for _, line in hypotheses[doc]) for doc in references}
    lines = _run(joined, references, tokenizer)
    rows: list[Row] = []
    for doc, wanted in references.items():
        cut, lines = lines[: len(wanted)], lines[len(wanted) :]
        if " ".join(cut).split() != joined[doc].split():
            raise DataError(
                f"mweralign changed the words of the talk {doc}; give --tokenizer none, or a SentencePiece "
                "model that leaves the text as it is"
            )
        rows += [(utterance, _join_words([line])) for (utterance, _), line in zip(wanted, cut, strict=True)]
    return rows


def _run(hypotheses: Mapping[str, str], references: Mapping[str, Sequence[Row]], tokenizer: str) -> list[str]:
    """Run mweralign on all documents; return a line for each line of the references."""
    if importlib.util.find_spec("mweralign") is None:
        raise ConfigError(f"mweralign is not installed; {install_command('iwslt')}")
    wanted = [(doc, line) for doc, rows in references.items() for _, line in rows]
    with TemporaryDirectory(prefix="synthst-mweralign-") as name:
        files = {option: Path(name, option) for option in ("ref-file", "docid-file", "hyp-file", "output")}
        _write_lines(files["docid-file"], [doc for doc, _ in wanted])
        _write_lines(files["ref-file"], [_join_words([line]) for _, line in wanted])
        _write_lines(files["hyp-file"], list(hypotheses.values()))
        options = [word for option, path in files.items() for word in (f"--{option}", str(path))]
        command = [sys.executable, "-c", _PROGRAM, *options, "--tokenizer", tokenizer]
        environment = {**os.environ, "PYTHONUTF8": "1"}  # it opens files in the locale's encoding
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            told = "\n".join(done.stderr.splitlines()[-3:])
            raise DataError(f"mweralign failed: {told}; try it by hand: mweralign --help")
        lines = files["output"].read_text(encoding="utf-8").split("\n")
    while len(lines) > len(wanted) and not lines[-1].strip():
        lines.pop()
    if len(lines) != len(wanted):
        raise DataError(
            f"mweralign gave {len(lines):,} lines for {len(wanted):,}; prepare the test set again"
        )
    return lines


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _join_words(lines: Iterable[str]) -> str:
    return " ".join(word for line in lines for word in line.split(" ") if word)
