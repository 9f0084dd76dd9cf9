"""Test sets by name: data directories beside the corpus or anywhere, or sets that sacreBLEU knows."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path

from synthst.datadir import new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import JoinedRow, write_tables

logger = logging.getLogger(__name__)


def set_name(test_set: str) -> str:
    """Return how a test set is called in results: "test" as it is, a path by its last two parts.

    "../wesnoth/test" is wesnoth_test, and so is /data/wesnoth/test.
    """
    parts = [part for part in Path(test_set).parts if part not in ("..", "/")]
    if not parts:
        raise ConfigError(f"{test_set!r} is no test set; name a data directory, or one of sacreBLEU's sets")
    return "_".join(parts[-2:])


def decoded_path(model: Path, test_set: str) -> Path:
    """Name the directory of a model's translations of a test set."""
    return model / f"decode_{set_name(test_set)}"


def find_test_sets(test_sets: Sequence[str], data: Path, *, src: str, tgt: str) -> list[Path]:
    """Return the data directories of test sets: ``data``/<set>, where a path may lead elsewhere.

    A name that is no directory there is looked for among sacreBLEU's, and put there once it is fetched.
    Raises ConfigError when two sets would have the same name in results.
    """
    names = Counter(map(set_name, test_sets))
    if clashing := [name for name, count in names.items() if count > 1]:
        told = ", ".join(test_set for test_set in test_sets if set_name(test_set) in clashing)
        raise ConfigError(f"the test sets {told} would share a name in the results; rename their directories")
    directories = [data / test_set for test_set in test_sets]
    for test_set, directory in zip(test_sets, directories, strict=True):
        if not directory.is_dir():
            fetch_test_set(test_set, directory, src=src, tgt=tgt)
    return directories


def fetch_test_set(name: str, out: Path, *, src: str, tgt: str) -> None:
    """Make the data directory ``out`` of sacreBLEU's test set ``name``, such as wmt21 or iwslt17/tst2015.

    Every line is an utterance, ``<name>_<line number>``, with the first reference if there are several.
    Raises DataError for a name or pair of languages that sacreBLEU does not have, and without a network.
    """
    try:
        source, references = find_files(name, src=src, tgt=tgt)
    except DataError as error:
        raise DataError(f"{out} is not there, and {error}") from error
    made_by = {"step": "fetch_test_set", "name": name, "src": src, "tgt": tgt}
    with new_directory(out) as folder:
        counts: Counter[str] = Counter()
        rows = _number_lines(set_name(name), source, references[0], counts)
        write_tables([text_path(folder, lang) for lang in (src, tgt)], rows)
        write_info(folder, made_by, counts=counts, references=len(references))
    logger.info("%s: %d sentences of sacreBLEU's %s", out, counts["kept"], name)
    if counts["dropped_empty"]:
        told = "%s: %d lines without source or reference are left out; scores are not sacreBLEU's own"
        logger.warning(told, out, counts["dropped_empty"])


def find_files(name: str, *, src: str, tgt: str) -> tuple[Path, list[Path]]:
    """Return the source and the references of sacreBLEU's test set ``name``, fetched if they are not there.

    Raises DataError for a name or pair of languages that sacreBLEU does not have, and without a network.
    """
    from sacrebleu.dataset import DATASETS

    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=3)
        told = f"did you mean {' or '.join(near)}?" if near else "`sacrebleu --list` tells which it has"
        raise DataError(f"sacreBLEU has no test set {name!r}; {told}")
    dataset, pair = DATASETS[name], f"{src}-{tgt}"
    if pair not in dataset.langpairs:
        raise DataError(f"sacreBLEU's {name} has no {pair}; it has {', '.join(sorted(dataset.langpairs))}")
    try:
        source, references = dataset.get_source_file(pair), dataset.get_reference_files(pair)
    except (Exception, SystemExit) as error:  # its downloader raises, or exits, as the cause may be
        raise DataError(f"sacreBLEU cannot fetch {name} {pair} ({error}); is there a network?") from error
    return Path(source), [Path(path) for path in references]


def _number_lines(name: str, source: Path, reference: Path, counts: Counter[str]) -> Iterator[JoinedRow]:
    """Yield (id, (source, reference)) of each line; count lines that lack one of them."""
    for number, pair in enumerate(zip_longest(_read_lines(source), _read_lines(reference)), 1):
        texts = tuple(" ".join((text or "").split()) for text in pair)
        counts["kept" if all(texts) else "dropped_empty"] += 1
        if all(texts):
            yield f"{name}_{number:06d}", texts


def _read_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from (line.removesuffix("\n") for line in file)
