"""Fetch Debian's lists of package descriptions in several languages, without root."""

import bz2
import gzip
import logging
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from synthst.corpora.debian import private_lists, run_apt
from synthst.errors import DataError

logger = logging.getLogger(__name__)

OPENERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".bz2": bz2.decompress,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
}


def fetch_descriptions(langs: Sequence[str], folder: Path, *, deb_dir: Path | None = None) -> list[Path]:
    """Return the lists Translation-<lang> of all ``langs``, by language and name.

    They come from ``deb_dir`` when it is given (no network then), or else from ``folder``, where apt-get puts
    those of its sources if any language has none. Raises DataError when a language lacks.
    """
    place = folder if deb_dir is None else deb_dir
    if deb_dir is None and not all(find_lists(lang, folder) for lang in langs):
        folder.mkdir(parents=True, exist_ok=True)
        _download(langs, folder)
    for lang in langs:
        if not find_lists(lang, place):
            raise DataError(
                f"{place} has no list *Translation-{lang}; put that of a Debian mirror there, "
                f"dists/<release>/main/i18n/Translation-{lang}.bz2"
            )
    return [path for lang in langs for path in find_lists(lang, place)]


def find_lists(lang: str, folder: Path) -> list[Path]:
    """List the files of one language in ``folder``, of each name the first kind that can be read."""
    found: dict[str, Path] = {}
    for suffix in OPENERS:
        for path in sorted(folder.glob(f"*Translation-{lang}{suffix}")):
            found.setdefault(path.name.removesuffix(suffix), path)
    return [found[name] for name in sorted(found)]


def read_list(path: Path) -> str:
    """Return the text of a list, which may be compressed."""
    try:
        return OPENERS[path.suffix if path.suffix in OPENERS else ""](path.read_bytes()).decode("utf-8")
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); remove it and fetch it again") from error


def _download(langs: Sequence[str], folder: Path) -> None:
    """Let apt-get fetch the lists of ``langs``, and no lists of packages, into a folder of its own."""
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        raise DataError(
            f"this machine has no apt-get to fetch descriptions in {', '.join(langs)}; fetch "
            "dists/<release>/main/i18n/Translation-<lang>.bz2 from a Debian mirror, and name their folder "
            "with --deb_dir"
        )
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
        work = Path(temporary)
        logger.info("fetching the lists of descriptions in %s", ", ".join(langs))
        wanted = [f"Acquire::Languages={','.join(langs)}", "Acquire::GzipIndexes=false"]
        wanted += ["Acquire::IndexTargets::deb::Packages::DefaultEnabled=false"]
        options = [word for option in wanted for word in ("-o", option)]
        if trouble := run_apt([apt_get, *private_lists(work), *options, "update"], work):
            raise DataError(f"apt-get cannot fetch lists of descriptions ({trouble}); see --deb_dir")
        for lang in langs:
            for path in find_lists(lang, work / "lists"):
                path.replace(folder / path.name)
