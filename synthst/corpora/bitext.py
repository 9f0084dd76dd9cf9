"""Make data directories of published parallel corpora: by mtdata, or of files put there by hand."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path

from jsonargparse.typing import Path_fr

from synthst.corpora.bitext_forms import Form, Texts, read_bitext
from synthst.corpora.compressed import archive_of
from synthst.corpora.mtdata import COMMAND, fetch_recipe, find_files, languages_of, read_recipe
from synthst.corpora.parallel import tidy_pair
from synthst.corpora.sacrebleu_files import fetch_files
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import ConfigError, DataError
from synthst.tables import JoinedRow, write_tables

logger = logging.getLogger(__name__)

NOT_READ = ("set", "where", "only", "sacrebleu")
"""Options of a corpus that do not decide what is read of it."""
CHOSEN_WORDS = range(4, 101)  # of the sources among which `choose` chooses


@dataclass(frozen=True)
class Corpus:
    """A corpus: one of the mtdata recipe, by mtdata's id, or one with ``files`` of its own, by any name."""

    set: str = ""
    """The data directory it goes into; by itself dev or test as the mtdata recipe says, raw for its train."""
    pairs: tuple[int, int] | None = None
    """The least and the most pairs that it may have."""
    licence: str = ""
    choose: int | None = None
    """Take so many pairs only, of different sources of 4 to 100 words, by a hash of the source."""
    only: str = ""
    """Take it in this direction only, such as en-de: for test sets translated in one direction."""
    where: str = ""
    """How to come by the files, when nobody may fetch them for you: a login, a form."""
    files: tuple[str, ...] = ()
    """Names below the downloads, archive members as corpus.zip::corpus.en."""
    form: Form = "lines"
    langs: str = ""
    """The order of the languages in the files or columns, such as en-de."""
    columns: tuple[int, int] = (1, 2)
    """Of a TSV file, counted from 1."""
    ref: str = ""
    """The translator of the reference in a WMT XML file; by itself the first."""
    sacrebleu: str = ""
    """The test set, by sacreBLEU's name, that becomes the two files of lines when they are not there."""


def prepare_bitext(
    out: Path,
    *,
    src: str,
    tgt: str,
    downloads: Path,
    corpora: dict[str, Corpus] | None = None,
    recipe: Path_fr | None = None,
    mtdata: str = COMMAND,
    jobs: int = 4,
) -> None:
    """Write ``out``/<set> for every set of ``corpora``, all corpora of a set together, unless it is there.

    ``recipe`` lists corpora in mtdata's YAML form (a settings file names it relative to itself), and
    ``mtdata`` is the command that fetches them, with ``jobs`` processes; what ``corpora`` says of one of them
    is added. Files of the others are below ``downloads``, where sacreBLEU's are put if they are not there.
    Ids are <corpus>_<number of the pair in it>. Blanks at ends go; pairs with an empty side, a control
    character or bytes that are not UTF-8 are dropped and counted, by corpus. Raises DataError when files are
    not there, before anything is fetched, and when a corpus has not as many pairs as it may.
    """
    listed = Path(recipe) if recipe else None
    sets = _list_sets(corpora or {}, listed, src, tgt)
    made_by = {name: _made_by(name, chosen, src, tgt) for name, chosen in sets.items()}
    lacking = [name for name in sets if not is_made(out / name, made_by[name])]
    for name in sets.keys() - set(lacking):
        logger.info("%s is there already", out / name)
    sets = {name: {key: _resolve(one, downloads) for key, one in sets[name].items()} for name in lacking}
    _refuse_missing(sets, downloads)
    _fetch_known(sets)
    if listed and any(not one.files for chosen in sets.values() for one in chosen.values()):
        folder = fetch_recipe(listed, downloads, command=mtdata, jobs=jobs)
        sets = {name: _found(chosen, folder) for name, chosen in sets.items()}
    for name, chosen in sets.items():
        _write_set(out / name, chosen, made_by[name], (src, tgt))


def _list_sets(
    corpora: Mapping[str, Corpus], recipe: Path | None, src: str, tgt: str
) -> dict[str, dict[str, Corpus]]:
    """Return the corpora of each set, in the order of their ids' first parts."""
    listed = read_recipe(recipe).sets if recipe else {}
    for name in [name for name, one in corpora.items() if not one.files and name not in listed]:
        near = get_close_matches(name, listed, n=1)
        told = f"did you mean {near[0]}? Or" if near else "either add it there, or"
        raise ConfigError(
            f"corpus {name} has no files and is not in the recipe {recipe}; {told} leave it out"
        )
    every = {name: corpora.get(name, Corpus()) for name in [*listed, *corpora]}
    if not every:
        raise ConfigError("there is no corpus; give corpora with files, or a recipe of mtdata's")
    sets: dict[str, dict[str, Corpus]] = {}
    for name in sorted(every, key=_prefix):
        one = replace(every[name], set=every[name].set or listed.get(name, ""))
        _refuse_wrong(name, one, {src, tgt})
        if one.only in ("", f"{src}-{tgt}"):
            sets.setdefault(one.set, {})[name] = one
    for chosen in sets.values():
        if len({_prefix(name) for name in chosen}) < len(chosen):
            raise ConfigError(f"among {', '.join(chosen)} are two whose ids would be the same; rename one")
    return sets


def _refuse_wrong(name: str, one: Corpus, wanted: set[str]) -> None:
    langs = set(one.langs.split("-") if one.files else languages_of(name))
    if langs != wanted:
        remedy = f"give langs: {'-'.join(sorted(wanted))} in its order" if one.files else "leave it out"
        raise ConfigError(f"corpus {name} is of {' and '.join(sorted(langs))}, not of {wanted}; {remedy}")
    if not one.set:
        raise ConfigError(f"corpus {name} is of no set; give set: train, or another")
    if one.sacrebleu and (len(one.files) != 2 or one.form != "lines"):
        raise ConfigError(
            f"corpus {name} is sacreBLEU's {one.sacrebleu}; name two files, and no form but lines"
        )
    if min(one.columns) < 1:
        raise ConfigError(f"corpus {name}: columns are {one.columns}; count from 1")


def _prefix(name: str) -> str:
    """Return what ids of a corpus begin with; none of these is another's beginning, so ids stay sorted."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name) + "_"


def _made_by(name: str, chosen: Mapping[str, Corpus], src: str, tgt: str) -> dict[str, object]:
    described = {key: _described(one) for key, one in chosen.items()}
    return {"step": "prepare_bitext", "set": name, "src": src, "tgt": tgt, "corpora": described}


def _described(one: Corpus) -> dict[str, object]:
    """Return the options that decide what is read, and the licence."""
    options = {key: value for key, value in asdict(one).items() if key not in NOT_READ}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}


def _resolve(one: Corpus, downloads: Path) -> Corpus:
    return replace(one, files=tuple(str(downloads / name) for name in one.files))


def _refuse_missing(sets: Mapping[str, Mapping[str, Corpus]], downloads: Path) -> None:
    """Raise DataError that tells of all files that are to be put there by hand, and where they come from."""
    told = [
        f"{name}: {', '.join(absent)} ({one.where or 'put it there'})"
        for chosen in sets.values()
        for name, one in chosen.items()
        if not one.sacrebleu
        and (absent := [str(path) for path in map(archive_of, one.files) if not path.exists()])
    ]
    if told:
        remedy = f"put them below {downloads}, or take the corpora out of the list"
        raise DataError(f"files of {len(told)} corpora are not there; {remedy}:\n  " + "\n  ".join(told))


def _fetch_known(sets: Mapping[str, Mapping[str, Corpus]]) -> None:
    """Let sacreBLEU fetch what it knows and is not there."""
    for one in (one for chosen in sets.values() for one in chosen.values() if one.sacrebleu):
        files = [Path(name) for name in one.files]
        if not all(path.is_file() for path in files):
            first, second = one.langs.split("-")
            fetch_files(one.sacrebleu, files, (first, second))


def _found(chosen: Mapping[str, Corpus], folder: Path) -> dict[str, Corpus]:
    """Add the files that mtdata made."""
    return {
        name: one
        if one.files
        else replace(one, files=tuple(find_files(folder, name)), langs="-".join(languages_of(name)))
        for name, one in chosen.items()
    }


def _write_set(
    out: Path, chosen: Mapping[str, Corpus], made_by: Mapping[str, object], pair: tuple[str, str]
) -> None:
    counts: Counter[str] = Counter()
    with new_directory(out) as folder:
        rows = (row for name, one in chosen.items() for row in _read_corpus(name, one, pair, counts))
        counts["kept"] = write_tables([text_path(folder, lang) for lang in pair], rows)
        write_info(folder, made_by, counts=counts, licence=_licences(chosen))
    logger.info("%s: %s", out, ", ".join(f"{key} {count:,}" for key, count in counts.items()))


def _licences(chosen: Mapping[str, Corpus]) -> str:
    return "; ".join(f"{name}: {one.licence or 'not stated'}" for name, one in chosen.items())


def _read_corpus(name: str, one: Corpus, pair: tuple[str, str], counts: Counter[str]) -> Iterator[JoinedRow]:
    """Yield id, source and target of each pair that can be kept; count all; compare with the bounds."""
    first, second = one.langs.split("-")
    found = read_bitext(one.files, one.form, langs=(first, second), columns=one.columns, ref=one.ref)
    rows = _numbered(name, found, counts, turned=first != pair[0])
    yield from rows if one.choose is None else _chosen(rows, one.choose)
    least, most = one.pairs or (1, counts[f"kept.{name}"])
    if not least <= counts[f"kept.{name}"] <= most:
        wanted = f"{least:,} to {most:,}" if one.pairs else "1 at least"
        raise DataError(
            f"{name} has {counts[f'kept.{name}']:,} pairs, wanted are {wanted}; {' and '.join(one.files)} "
            "may be cut short or of another version: fetch again, or change `pairs`"
        )


def _numbered(
    name: str, found: Iterator[Texts], counts: Counter[str], *, turned: bool
) -> Iterator[JoinedRow]:
    prefix, kept, read = _prefix(name), f"kept.{name}", f"read.{name}"
    for number, texts in enumerate(found, 1):
        counts[read] += 1
        source, target, reason = _tidy(texts)
        if reason:
            counts[f"dropped_{reason}.{name}"] += 1
        else:
            counts[kept] += 1
            yield f"{prefix}{number:09d}", (target, source) if turned else (source, target)


def _tidy(texts: Texts) -> tuple[str, str, str]:
    first, second = texts
    if first is None or second is None:
        return "", "", "not_utf8"
    return tidy_pair(first.replace("\n", " "), second.replace("\n", " "))


def _chosen(rows: Iterator[JoinedRow], size: int) -> Sequence[JoinedRow]:
    """Choose rows of different sources by a hash of the source, and put them in order again."""
    first: dict[str, JoinedRow] = {}
    for row in rows:
        if len(row[1][0].split()) in CHOSEN_WORDS:
            first.setdefault(row[1][0], row)
    chosen = nsmallest(size, first, key=lambda text: blake2b(text.encode(), digest_size=16).digest())
    return sorted(first[text] for text in chosen)
