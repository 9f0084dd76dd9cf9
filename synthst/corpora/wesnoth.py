"""The Battle for Wesnoth's campaigns as parallel text: English fantasy dialogue with translations (GPL-2+).

Debian packages wesnoth-<release>-<campaign>, whose gettext catalogues hold the messages.
"""

import gettext
import logging
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

from synthst.corpora.debian import fetch_packages, package_version, read_members
from synthst.corpora.libreoffice import DEV_SHARE, TEST_SHARE
from synthst.corpora.libreoffice_html import normalise_text
from synthst.corpora.libreoffice_pairs import Pair, keep_clean, text_key
from synthst.corpora.sets import divide_by_group, write_sets
from synthst.datadir import is_made
from synthst.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

CAMPAIGNS = ("did", "dm", "httt", "nr", "tsg", "utbs")  # 53 MB; the other ten, 79 MB, double the text
_CONTEXT = re.compile(r"^(?:[^\x04]*\x04)?(?:[^^\s][^^\n]{0,40}\^)?")  # "female^", gettext's own "menu\x04"
_TAG = re.compile(r"</?[a-z]+(?:\s[^<>]*)?/?>")
_PLACEHOLDER = re.compile(r"[$|{}<>]|%[sd]|\b(?:text|dst)=")  # $unit.name|, or markup that is left


def prepare_wesnoth(
    out: Path,
    *,
    downloads: Path,
    src: str = "en",
    tgt: str = "de",
    deb_dir: Path | None = None,
    release: str = "1.16",
    campaigns: Sequence[str] = CAMPAIGNS,
    min_words: int = 4,
    max_words: int | None = 80,
    test_share: float = TEST_SHARE,
    dev_share: float = DEV_SHARE,
    seed: int = 0,
) -> None:
    """Write the data directories ``out``/train, dev and test, unless they are there.

    Messages stay whole, since they are translated freely. Context marks ("female^") and markup are removed;
    messages with $variables are dropped, and so is what `prepare_libreoffice` would drop. English text and
    seed decide the set; no text of dev or test, on either side, is in train. ``release`` is the one in the
    names of the packages. ``min_words`` and ``max_words`` count words of the source; test and dev get their
    shares of the messages.
    """
    made_by: dict[str, object] = {"step": "prepare_wesnoth", "src": src, "tgt": tgt, "release": release}
    made_by |= {"campaigns": campaigns, "min_words": min_words, "max_words": max_words, "seed": seed}
    made_by |= {"test_share": test_share, "dev_share": dev_share}
    other = _other_language(src, tgt)
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    names = [f"wesnoth-{release}-{campaign}" for campaign in campaigns]
    debs = fetch_packages(names, downloads, deb_dir=deb_dir)
    counts: Counter[str] = Counter()
    pairs = (pair for deb in debs for pair in read_campaign(deb, other, counts, from_english=src == "en"))
    clean = keep_clean(pairs, counts, languages=(src, tgt), min_words=min_words, max_words=max_words)
    sets = divide_by_group(clean, counts, seed=seed, test_share=test_share, dev_share=dev_share)
    packages = dict(zip(names, map(package_version, debs), strict=True))
    write_sets(out, sets, (src, tgt), counts, made_by, packages)


def _other_language(src: str, tgt: str) -> str:
    if (src == "en") == (tgt == "en"):
        raise ConfigError(f"no Wesnoth text for {src}-{tgt}; one side, and only one, must be en")
    return tgt if src == "en" else src


def read_campaign(deb: Path, lang: str, counts: Counter[str], *, from_english: bool) -> Iterator[Pair]:
    """Yield a package's messages in the order of their ids, ``wesnoth_<catalogue>_<hash of the message>``.

    ``page`` of a pair is the key of the English text. Messages with placeholders are counted and left out.
    """
    path = re.compile(rf"usr/share/games/wesnoth/[^/]+/locale/{re.escape(lang)}/LC_MESSAGES/(.+)\.mo")
    catalogues = sorted(read_members(deb, lambda name: path.fullmatch(name) is not None))
    if not catalogues:
        raise DataError(f"{deb} has no translation into {lang}; choose another language or campaign")
    for name, content in catalogues:
        prefix = f"wesnoth_{path.sub(r'\1', name).removeprefix('wesnoth-')}"
        messages = read_catalogue(content, f"{deb}: {name}")
        counts["messages"] += len(messages)
        pairs = (_make_pair(prefix, message, text, from_english) for message, text in messages.items())
        yield from _without_placeholders(sorted(pairs), counts)


def _make_pair(prefix: str, message: str, translation: str, from_english: bool) -> Pair:
    name = f"{prefix}_{blake2b(message.encode(), digest_size=6).hexdigest()}"
    english, foreign = clean_message(message), clean_message(translation)
    both = (english, foreign) if from_english else (foreign, english)
    return Pair(name, text_key(english), *both)


def read_catalogue(content: bytes, name: str) -> dict[str, str]:
    """Return the messages of a .mo file with their translations, without its header and plural forms."""
    try:
        catalogue: dict[Any, str] = gettext.GNUTranslations(BytesIO(content))._catalog  # type: ignore[attr-defined]
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise DataError(f"{name} is no gettext catalogue ({error}); fetch the package again") from error
    return {message: text for message, text in catalogue.items() if isinstance(message, str) and message}


def clean_message(message: str) -> str:
    """Remove context marks and markup, and make the message one line."""
    return normalise_text(_TAG.sub("", _CONTEXT.sub("", message, count=1)))


def _without_placeholders(pairs: Iterable[Pair], counts: Counter[str]) -> Iterator[Pair]:
    for pair in pairs:
        if _PLACEHOLDER.search(pair.src) or _PLACEHOLDER.search(pair.tgt):
            counts["dropped_placeholder"] += 1
        else:
            yield pair
