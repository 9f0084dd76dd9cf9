"""LibreOffice's help texts as parallel data: English with German, Spanish, French or Russian."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path

from synthst.corpora.debian import fetch_packages, package_version
from synthst.corpora.libreoffice_html import Pages, read_pages
from synthst.corpora.libreoffice_pairs import Pair, align_pages, keep_clean, page_keys, text_key
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import write_table, write_tables

logger = logging.getLogger(__name__)

FOLDERS = {"en": "en-US", "de": "de", "es": "es", "fr": "fr", "ru": "ru"}
TEST_SHARE, DEV_SHARE = 0.05, 0.025  # of the pages
HELD_OUT = {"test": (), "dev": ("test",), "train": ("test", "dev")}  # whose pages' texts a set must not have


def prepare_libreoffice(
    out: Path,
    *,
    src: str,
    tgt: str,
    downloads: Path,
    deb_dir: Path | None = None,
    min_words: int = 4,
    max_words: int | None = None,
    max_dev: int | None = 1000,
    max_test: int | None = 2000,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Write the data directories ``out``/train, dev and test, unless they are there already.

    Pages, not sentences, are divided among the sets, by path and seed: the same for every pair of languages
    (``out``/page_sets lists them). No text of a dev or test page, on either side, is in train, and none of a
    test page in dev, whatever the limits. ``min_words`` and ``max_words`` count words of the source; dev and
    test sentences beyond ``max_dev`` and ``max_test`` are dropped by a hash of the id, which names the text.
    """
    languages = _english_first(src, tgt)
    made_by: dict[str, object] = {"step": "prepare_libreoffice", "src": src, "tgt": tgt, "seed": seed}
    made_by |= {"min_words": min_words, "max_words": max_words, "max_dev": max_dev, "max_test": max_test}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    pages, packages = _read_languages(languages, downloads, deb_dir, workers)
    page_sets = {page: choose_set(page, seed) for page in sorted(pages["en"])}
    counts: Counter[str] = Counter()
    aligned = align_pages(pages, src, tgt, counts)
    clean = keep_clean(aligned, counts, languages=(src, tgt), min_words=min_words, max_words=max_words)
    sets = divide_pairs(list(clean), page_sets, pages, (src, tgt), counts)
    for name, size in (("dev", max_dev), ("test", max_test)):
        sets[name] = cap_pairs(sets[name], name, size, seed, counts)
    with new_directory(out) as directory:
        write_table(directory / "page_sets", page_sets.items())
        _write_sets(directory, sets, (src, tgt), counts, made_by)
        write_info(directory, made_by, counts=counts, packages=packages)
    logger.info("%s: %s", out, ", ".join(f"{key} {count:,}" for key, count in sorted(counts.items())))


def _english_first(src: str, tgt: str) -> tuple[str, str]:
    languages = ("en", tgt if src == "en" else src)
    if set(languages) != {src, tgt} or languages[1] not in FOLDERS or src == tgt:
        others = ", ".join(sorted(FOLDERS.keys() - {"en"}))
        raise ConfigError(
            f"no LibreOffice help for {src}-{tgt}; one side must be en, the other one of {others}"
        )
    return languages


def _read_languages(
    languages: Sequence[str], downloads: Path, deb_dir: Path | None, workers: int | None
) -> tuple[dict[str, Pages], dict[str, str]]:
    """Return the pages by language and the versions of the packages."""
    names = [f"libreoffice-help-{FOLDERS[language].lower()}" for language in languages]
    debs = dict(zip(languages, fetch_packages(names, downloads, deb_dir=deb_dir), strict=True))
    versions = {name: package_version(deb) for name, deb in zip(names, debs.values(), strict=True)}
    if len(set(versions.values())) > 1:
        logger.warning("packages of different versions fit each other less well: %s", versions)
    pages: dict[str, Pages] = {}
    for language, deb in debs.items():
        pages[language] = read_pages(deb, FOLDERS[language], workers=workers)
    return pages, versions


def choose_set(page: str, seed: int, *, test_share: float = TEST_SHARE, dev_share: float = DEV_SHARE) -> str:
    """Return the set that a page belongs to, which depends on its path, the seed and the shares only."""
    place = _hash(page, seed) / 2**64
    if place < test_share:
        return "test"
    return "dev" if place < test_share + dev_share else "train"


def _hash(name: str, seed: int) -> int:
    return int.from_bytes(blake2b(f"{seed} {name}".encode(), digest_size=8).digest())


def divide_pairs(
    pairs: Sequence[Pair],
    page_sets: Mapping[str, str],
    pages: Mapping[str, Pages],
    languages: tuple[str, str],
    counts: Counter[str],
) -> dict[str, list[Pair]]:
    """Put pairs into the sets of their pages, each source once per set, without texts that another holds out.

    Held out are all texts of the other set's pages, not only those in ``pairs``: so the sets of other
    languages, directions and limits do not leak into each other either.
    """
    sets: dict[str, list[Pair]] = {}
    for name, others in HELD_OUT.items():
        held_out_pages = [page for page, its_set in page_sets.items() if its_set in others]
        held_out = [
            {key for page in held_out_pages for key in page_keys(pages[language].get(page, []), language)}
            for language in languages
        ]
        kept: dict[str, Pair] = {}
        for pair in pairs:
            if page_sets[pair.page] != name:
                continue
            if text_key(pair.src) in held_out[0] or text_key(pair.tgt) in held_out[1]:
                counts[f"dropped_{name}_held_out"] += 1
            elif kept.setdefault(pair.src, pair) is not pair:
                counts[f"dropped_{name}_repeated"] += 1
        sets[name] = list(kept.values())
    return sets


def cap_pairs(
    pairs: Sequence[Pair], name: str, size: int | None, seed: int, counts: Counter[str]
) -> list[Pair]:
    """Keep the ``size`` pairs with the smallest hashes of their ids; a larger size keeps these too."""
    if size is None or size >= len(pairs):
        return list(pairs)
    counts[f"dropped_{name}_over_limit"] = len(pairs) - size
    return sorted(nsmallest(size, pairs, key=lambda pair: _hash(pair.id, seed)))


def _write_sets(
    directory: Path,
    sets: Mapping[str, Sequence[Pair]],
    languages: tuple[str, str],
    counts: Counter[str],
    made_by: Mapping[str, object],
) -> None:
    for name, pairs in sets.items():
        counts[f"kept_{name}"] = len(pairs)
        _write_set(directory / name, pairs, languages, {**made_by, "set": name})


def _write_set(
    directory: Path, pairs: Sequence[Pair], languages: tuple[str, str], made_by: Mapping[str, object]
) -> None:
    if not pairs:
        raise DataError(f"no sentence is left for {directory.name}; widen min_words, max_words or the limits")
    directory.mkdir()
    tables = [text_path(directory, language) for language in languages]
    write_tables(tables, ((pair.id, (pair.src, pair.tgt)) for pair in pairs))
    write_info(directory, made_by, counts={"kept": len(pairs)})
