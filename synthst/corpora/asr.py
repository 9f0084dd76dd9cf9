"""Speech that has only transcripts, prepared by lhotse's recipes: LibriSpeech and VoxPopuli."""

import gzip
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synthst.corpora.lhotse import import_lhotse
from synthst.corpora.segments import check_count
from synthst.datadir import combine_datadirs, kept_rows, new_directory, subset_datadir, write_info
from synthst.errors import ConfigError, DataError, install_command
from synthst.info import is_made

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Corpus:
    """What a corpus needs: the places where each part may be, the best first, and where to get it."""

    places: tuple[str, ...]
    download: str
    licence: str


CORPORA = {
    "librispeech": _Corpus(("{part}",), "openslr.org/12", "CC-BY-4.0"),
    "voxpopuli": _Corpus(
        ("raw_audios/original", "raw_audios/{lang}"),
        "github.com/facebookresearch/voxpopuli (python -m voxpopuli.download_audios --subset asr)",
        "CC0-1.0",
    ),
}


def prepare_asr(
    source: Path,
    out: Path,
    *,
    corpus: str,
    parts: Sequence[str] = ("train",),
    lang: str = "en",
    text_field: str = "text",
    bounds: dict[str, list[int]] | None = None,
    jobs: int = 1,
    max_segments: int | None = None,
) -> None:
    """Make the speech data directory ``out`` of all ``parts`` of a corpus, unless it is there.

    lhotse's recipe for ``corpus`` (librispeech or voxpopuli) reads ``source``, where the corpus was unpacked:
    <part>/ of LibriSpeech, raw_audios/original of VoxPopuli, where its own script puts the transcribed part,
    or else raw_audios/<lang> (and its asr_<lang>.tsv.gz, or else fetches that).
    Manifests go to ``out``_manifests, parts to ``out``_<part>.
    ``text_field`` is the manifests': orig_text is VoxPopuli's with case and punctuation.
    ``bounds`` are the least and the most utterances of the manifests, by part, with those without a text:
    lhotse leaves out what has no audio. ``jobs`` are lhotse's threads or processes.
    ``max_segments`` are chosen by a hash of their ids, out of all, which go to ``out``_all.
    """
    _check(source, corpus, parts, lang)
    manifests = out.with_name(f"{out.name}_manifests")
    _write_manifests(source, manifests, corpus, parts, lang, bounds, jobs)
    directories = [out.with_name(f"{out.name}_{part}") for part in parts]
    for part, directory in zip(parts, directories, strict=True):
        recordings, supervisions = (_find(manifests, kind, part) for kind in ("recordings", "supervisions"))
        import_lhotse(
            directory,
            recordings=recordings,
            supervisions=supervisions,
            text_fields={lang: text_field},
            licence=CORPORA[corpus].licence,
        )
    whole = out if max_segments is None else out.with_name(f"{out.name}_all")
    combine_datadirs(directories, whole)
    if max_segments is not None:
        subset_datadir(whole, out, size=min(max_segments, kept_rows(whole)))


def _check(source: Path, corpus: str, parts: Sequence[str], lang: str) -> None:
    if corpus not in CORPORA:
        raise ConfigError(f"--corpus is {corpus!r}, wanted is one of: {', '.join(CORPORA)}")
    if not parts:
        raise ConfigError(f"no part of {corpus} is named; give --parts, like [train]")
    if lacking := [place for place in list_places(source, corpus, parts, lang) if not place.is_dir()]:
        told = f"download {corpus} from {CORPORA[corpus].download} and unpack it, so that it is there"
        raise DataError(f"{lacking[0]} is missing; {told}")


def list_places(source: Path, corpus: str, parts: Sequence[str], lang: str) -> list[Path]:
    """List the folders that a corpus has to have, each once: of several that would do one that is there."""
    found = []
    for part in parts:
        places = [source / place.format(part=part, lang=lang) for place in CORPORA[corpus].places]
        found.append(next((place for place in places if place.is_dir()), places[0]))
    return list(dict.fromkeys(found))


def _write_manifests(
    source: Path,
    manifests: Path,
    corpus: str,
    parts: Sequence[str],
    lang: str,
    bounds: dict[str, list[int]] | None,
    jobs: int,
) -> None:
    """Write lhotse's manifests of the parts, unless they are there; none with too few or too many."""
    made_by: dict[str, object] = {"step": "prepare_asr", "corpus": corpus, "source": source}
    made_by |= {"parts": parts, "lang": lang, "bounds": bounds}
    if is_made(manifests, made_by):
        return
    with new_directory(manifests) as folder:
        _run_recipe(source, folder, corpus, parts, lang, jobs)
        counts = {part: _count_rows(_find(folder, "supervisions", part)) for part in parts}
        for part, count in counts.items():
            check_count(count, (bounds or {}).get(part), f"{source}: {corpus} {part}")
        write_info(folder, made_by, counts=counts, parents=[source])


def _run_recipe(source: Path, out: Path, corpus: str, parts: Sequence[str], lang: str, jobs: int) -> None:
    """Let lhotse write manifests of the parts into ``out``."""
    try:
        from lhotse import recipes
    except ImportError as error:
        raise ConfigError(f"lhotse is not installed; {install_command('lhotse')}") from error
    prepare: Callable[..., object] = getattr(recipes, f"prepare_{corpus}")
    try:
        if corpus == "voxpopuli":
            _run_voxpopuli(prepare, source, out, lang, jobs)
        else:
            prepare(source, dataset_parts=list(parts), output_dir=out, num_jobs=jobs)
    except Exception as error:  # lhotse raises whatever the files and its own checks raise
        raise DataError(f"{source} is not what lhotse's recipe for {corpus} reads ({error!r})") from error


def _run_voxpopuli(prepare: Callable[..., object], source: Path, out: Path, lang: str, jobs: int) -> None:
    """Run lhotse's recipe, which looks in raw_audios/<lang>, on a tree that links to where the audio is."""
    annotations = source / f"asr_{lang}.tsv.gz"
    if annotations.is_file():
        (out / annotations.name).symlink_to(annotations.absolute())
    (audio,) = list_places(source, "voxpopuli", ["train"], lang)
    with TemporaryDirectory() as tree:
        link = Path(tree) / "raw_audios" / lang
        link.parent.mkdir()
        link.symlink_to(audio.absolute())
        prepare(tree, output_dir=out, lang=lang, num_jobs=jobs)
    for manifest in out.glob("*_recordings_*.jsonl.gz"):
        _replace_folder(manifest, link, audio.absolute())


def _replace_folder(manifest: Path, link: Path, folder: Path) -> None:
    """Name the files of recordings by the folder that they are in, as the link to it is gone."""
    with gzip.open(manifest, "rt", encoding="utf-8", newline="\n") as file:
        recordings = [json.loads(line) for line in file]
    for recording in recordings:
        for one in recording["sources"]:
            one["source"] = str(folder / Path(one["source"]).relative_to(link))
    with gzip.open(manifest, "wt", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(recording) + "\n" for recording in recordings)


def _find(manifests: Path, kind: str, part: str) -> Path:
    """Find the manifest of a part. Raises DataError when lhotse wrote none, or several."""
    found = sorted(manifests.glob(f"*_{kind}_{part}.jsonl.gz"))
    if len(found) != 1:
        told = f"{manifests} holds {len(found)} manifests of {kind} of {part}, wanted is one"
        raise DataError(f"{told}; name parts that the corpus has")
    return found[0]


def _count_rows(manifest: Path) -> int:
    with gzip.open(manifest, "rt", encoding="utf-8", newline="\n") as file:
        return sum(1 for _ in file)
