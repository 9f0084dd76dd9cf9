"""Divide sentence pairs among train, dev and test by groups that belong together, and write the three."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from synthst.corpora.libreoffice import DEV_SHARE, HELD_OUT, TEST_SHARE, cap_pairs, choose_set
from synthst.corpora.libreoffice_pairs import Pair, text_key
from synthst.corpora.sentences import ABBREVIATIONS
from synthst.datadir import new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import write_tables

logger = logging.getLogger(__name__)


def other_language(src: str, tgt: str, corpus: str) -> str:
    """Return the language beside English; raises ConfigError unless it is one whose sentences we split."""
    others = sorted(ABBREVIATIONS.keys() - {"en"})
    other = tgt if src == "en" else src
    if {src, tgt} != {"en", other} or other not in others:
        wanted = f"one side must be en, the other one of {', '.join(others)}"
        raise ConfigError(f"no {corpus} for {src}-{tgt}; {wanted}")
    return other


def divide_by_group(
    pairs: Iterable[Pair],
    counts: Counter[str],
    *,
    seed: int,
    test_share: float = TEST_SHARE,
    dev_share: float = DEV_SHARE,
) -> dict[str, list[Pair]]:
    """Put pairs into train, dev and test by the name of their group, ``page``; each source once.

    Texts of test, on either side, are in neither of the others, those of dev not in train. The first pair of
    a source counts. ``test_share`` and ``dev_share`` are parts of the groups.
    """
    shares = {"test_share": test_share, "dev_share": dev_share}
    by_source: dict[str, Pair] = {}
    for pair in pairs:
        if by_source.setdefault(text_key(pair.src), pair) is not pair:
            counts["dropped_repeated"] += 1
    sets: dict[str, list[Pair]] = {}
    for name, others in HELD_OUT.items():
        held_out = {
            key
            for other in others
            for pair in sets[other]
            for key in (text_key(pair.src), text_key(pair.tgt))
        }
        members = [pair for pair in by_source.values() if choose_set(pair.page, seed, **shares) == name]
        sets[name] = [pair for pair in members if not held_out & {text_key(pair.src), text_key(pair.tgt)}]
        counts[f"dropped_{name}_held_out"] = len(members) - len(sets[name])
    return sets


def cap_sets(
    sets: Mapping[str, list[Pair]], limits: Mapping[str, int | None], seed: int, counts: Counter[str]
) -> dict[str, list[Pair]]:
    """Keep at most as many pairs of a set as ``limits`` has for it, chosen by a hash of the id."""
    return {name: cap_pairs(pairs, name, limits.get(name), seed, counts) for name, pairs in sets.items()}


def write_sets(
    out: Path,
    sets: Mapping[str, Sequence[Pair]],
    languages: tuple[str, str],
    counts: Counter[str],
    made_by: Mapping[str, object],
    packages: Mapping[str, str],
) -> None:
    """Write ``out``/train, dev and test, sorted by id; raises DataError when one of them would be empty."""
    with new_directory(out) as directory:
        for name, pairs in sets.items():
            if not pairs:
                raise DataError(
                    f"no sentence is left for {name} of {out}; take more packages or widen the limits"
                )
            counts[f"kept_{name}"] = len(pairs)
            (directory / name).mkdir()
            tables = [text_path(directory / name, language) for language in languages]
            write_tables(tables, ((pair.id, (pair.src, pair.tgt)) for pair in sorted(pairs)))
            write_info(directory / name, {**made_by, "set": name}, counts={"kept": len(pairs)})
        write_info(directory, made_by, counts=counts, packages=packages)
    logger.info("%s: %s", out, ", ".join(f"{key} {count:,}" for key, count in sorted(counts.items())))
