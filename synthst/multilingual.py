"""Several language pairs in one data directory: ids begin with the pair, utt2pair tells it, tags ask for it.

utt2pair has a row ``<id> en-de`` for each utterance. A text in several languages is text.mul (ISO 639-2's
code for that): English into several languages has text.en and text.mul, the reverse text.mul and text.en.
"""

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from synthst.datadir import is_made, kept_rows, new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.sampling import choose_ids
from synthst.speechtables import is_speech
from synthst.tables import JoinedRow, join_tables, merge_rows, read_table, write_tables

logger = logging.getLogger(__name__)

SEVERAL = "mul"
PAIRS = "utt2pair"

_PAIR = re.compile(r"([A-Za-z0-9_@]+)-([A-Za-z0-9_@]+)")


def has_pairs(data: Path) -> bool:
    """Tell whether a data directory says of each utterance which language pair it is of."""
    return (data / PAIRS).exists()


def split_pair(pair: str) -> tuple[str, str]:
    """Return source and target language of "en-de". Raises ConfigError for anything else."""
    match = _PAIR.fullmatch(pair)
    if not match:
        raise ConfigError(f"{pair!r} is no language pair; write en-de, and a country behind _: en-pt_BR")
    return match[1], match[2]


def language_tag(lang: str) -> str:
    """Return the token before a source that asks for its translation into ``lang``: <2de>."""
    return f"<2{lang}>"


def read_tagged(data: Path, langs: Sequence[str]) -> Iterator[JoinedRow]:
    """Read the texts of ``langs``, source first, as a model sees them.

    If ``data`` has utt2pair, sources are "<2de> Click the icon.", with the target language of their pair
    (Johnson et al., TACL 2017). Raises DataError, naming the row, for a pair in other languages.
    """
    paths = [text_path(data, lang) for lang in langs]
    if not has_pairs(data):
        yield from join_tables(paths)
        return
    for utterance, (source, *others, pair) in join_tables([*paths, data / PAIRS]):
        sides = _sides(data, utterance, pair)
        for lang, side in zip(langs, sides, strict=False):
            if lang not in (side, SEVERAL):
                found = f"{data / PAIRS}: {utterance} is {pair}, but text.{lang} was asked for its {side}"
                raise DataError(f"{found}; name the source's language first, and {SEVERAL} for several")
        yield utterance, (f"{language_tag(sides[1])} {source}", *others)


def read_tags(data: Path) -> set[str]:
    """Return the tags that `read_tagged` puts before the sources of ``data``; none if it has no utt2pair."""
    if not has_pairs(data):
        return set()
    pairs = {pair: utterance for utterance, pair in read_table(data / PAIRS)}
    return {language_tag(_sides(data, utterance, pair)[1]) for pair, utterance in pairs.items()}


def refuse_pairs(data: Path) -> None:
    """Raise DataError for data of several language pairs, where one source has several translations."""
    if has_pairs(data):
        raise DataError(
            f"{data} is of several language pairs, and a source there has several translations; take each "
            "pair by itself, and put them together with combine_pairs afterwards"
        )


def combine_pairs(
    pairs: dict[str, Path],
    out: Path,
    *,
    src: str,
    tgt: str,
    temperature: float | Literal["inf"] = 1.0,
    seed: int = 0,
) -> int:
    """Put data directories of several pairs together, such as {en-de: DIR, en-es: DIR}; count the rows.

    ``out`` gets text.<src>, text.<tgt>, one of which is "mul", and utt2pair; ids become en-de-<id>. It has as
    many rows as the directories together, shared out by `share_rows`: temperature 1 copies all as it is, 5
    evens out, inf gives all pairs as many. A pair with fewer rows than its share comes again, as en-de_2-<id>
    and so on; one with more loses those that a hash of id and ``seed`` chooses, whatever their targets. Does
    nothing when ``out`` was made by the same arguments. made_by: step "combine_pairs" and the arguments but
    ``out``. Raises DataError for a directory with speech.
    """
    temperature = float(temperature)
    _check_pairs(pairs, src, tgt, temperature)
    made_by: dict[str, object] = {"step": "combine_pairs", "pairs": pairs, "src": src, "tgt": tgt}
    made_by |= {"temperature": f"{temperature:g}", "seed": seed}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return kept_rows(out)
    sizes = {pair: _size(data, split_pair(pair)) for pair, data in pairs.items()}
    shares = share_rows(sizes, temperature)
    with new_directory(out) as folder:
        tables = [text_path(folder, src), text_path(folder, tgt), folder / PAIRS]
        counts = {"kept": write_tables(tables, _merge(pairs, sizes, shares, seed))}
        counts |= {f"rows.{pair}": share for pair, share in shares.items()}
        counts |= {f"distinct.{pair}": min(share, sizes[pair]) for pair, share in shares.items()}
        write_info(folder, made_by, counts=counts, parents=list(pairs.values()))
    logger.info("%s: %s", out, ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    return counts["kept"]


def share_rows(sizes: Mapping[str, int], temperature: float) -> dict[str, int]:
    """Divide as many rows as all pairs have in proportion to size ** (1 / temperature).

    The formula is Arivazhagan et al.'s (Massively Multilingual Neural Machine Translation in the Wild, 2019).
    Shares are rounded down, and what is left goes to the largest remainders, so that the sum stays.
    """
    if temperature == 1:
        return dict(sizes)
    total = sum(sizes.values())
    weights = {pair: size ** (1 / temperature) for pair, size in sizes.items()}
    exact = {pair: total * weight / sum(weights.values()) for pair, weight in weights.items()}
    shares = {pair: math.floor(share) for pair, share in exact.items()}
    by_remainder = sorted(exact, key=lambda pair: shares[pair] - exact[pair])
    for pair in by_remainder[: total - sum(shares.values())]:
        shares[pair] += 1
    return shares


def _check_pairs(pairs: Mapping[str, Path], src: str, tgt: str, temperature: float) -> None:
    if not pairs:
        raise ConfigError("no language pair was given; write {en-de: DIR, en-es: DIR}")
    if not temperature >= 1:
        raise ConfigError(f"temperature is {temperature}, wanted is 1 (sizes as they are) or more, or inf")
    for pair, data in pairs.items():
        found = split_pair(pair)
        if src not in (found[0], SEVERAL) or tgt not in (found[1], SEVERAL):
            raise ConfigError(f"{pair} does not fit --src {src} --tgt {tgt}; name {SEVERAL} for several")
        if is_speech(data):
            raise DataError(f"{data} has speech, but only texts can be combined; name a directory of text")
        refuse_pairs(data)


def _size(data: Path, langs: tuple[str, str]) -> int:
    rows = sum(1 for _ in join_tables([text_path(data, lang) for lang in langs]))
    if not rows:
        raise DataError(f"{data} holds no utterance; make it again or leave its pair out")
    return rows


def _merge(
    pairs: Mapping[str, Path], sizes: Mapping[str, int], shares: Mapping[str, int], seed: int
) -> Iterator[JoinedRow]:
    """Yield the rows of all pairs in byte order of id, each as often as its share wants.

    A prefix has two hyphens, the second at its end, so the ids of one come all before or all after those of
    another: copies are read one after the other. Only de_2 and the second copy of de share a prefix.
    """
    for _, copies in groupby(sorted(_copies(pairs, sizes, shares), key=itemgetter(0)), key=itemgetter(0)):
        listed = list(copies)
        streams = [_rows(pairs[pair], pair, prefix, part=part, seed=seed) for prefix, pair, part in listed]
        yield from merge_rows(streams, names=[str(pairs[pair]) for _, pair, _ in listed])


def _copies(
    pairs: Mapping[str, Path], sizes: Mapping[str, int], shares: Mapping[str, int]
) -> Iterator[tuple[str, str, int | None]]:
    """Yield for each time that a pair comes what goes before its ids, and the rows of it, None for all."""
    for pair in pairs:
        whole, rest = divmod(shares[pair], sizes[pair])
        for copy in range(1, whole + (rest > 0) + 1):
            yield f"{pair}-" if copy == 1 else f"{pair}_{copy}-", pair, rest if copy > whole else None


def _rows(data: Path, pair: str, prefix: str, *, part: int | None, seed: int) -> Iterator[JoinedRow]:
    """Yield all rows of a pair, or ``part`` of them, each with its pair."""
    paths = [text_path(data, lang) for lang in split_pair(pair)]
    is_chosen = choose_ids(paths[0], part, seed=seed) if part else lambda utterance: True
    for utterance, values in join_tables(paths):
        if is_chosen(utterance):
            yield f"{prefix}{utterance}", (*values, pair)


def _sides(data: Path, utterance: str, pair: str) -> tuple[str, str]:
    try:
        return split_pair(pair)
    except ConfigError as error:
        raise DataError(f"{data / PAIRS}: {utterance}: {error}") from error
