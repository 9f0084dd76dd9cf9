"""Asterisk's telephone prompts: 25 minutes of one speaker's English with transcripts, for recognisers only.

Debian packages asterisk-core-sounds-en (the texts) and asterisk-core-sounds-en-wav (8 kHz); recorded by
Allison Smith, CC-BY-SA-3.0.
"""

import gzip
import logging
import re
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import soundfile

from synthst.corpora.debian import fetch_packages, package_version, read_members
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.dump_parts import Pcm, encode_flac
from synthst.errors import DataError
from synthst.tables import write_tables

logger = logging.getLogger(__name__)

TEXTS_PACKAGE, AUDIO_PACKAGE = "asterisk-core-sounds-en", "asterisk-core-sounds-en-wav"
TEXTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
SPEAKER = "allison"
MIN_SECONDS = 0.1
_AUDIO = re.compile(r"usr/share/asterisk/sounds/[^/]+/(?P<name>.+)\.wav")
_NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)")  # "[sound of monkeys screaming]", "(10 seconds of silence)"


class Prompt(NamedTuple):
    """A prompt: its transcript, the file of its audio and its length."""

    text: str
    file: str
    seconds: float


def prepare_asterisk(
    out: Path, *, downloads: Path, deb_dir: Path | None = None, max_seconds: float = 30.0
) -> None:
    """Write the speech data directory ``out``, transcripts only (text.en), unless it is there already.

    Audio is 16-bit FLAC at 8 kHz. Ids are ``asterisk_<name>`` with dots for slashes. Prompts without words,
    without audio or text, and those longer than ``max_seconds`` are dropped and counted.
    """
    made_by = {"step": "prepare_asterisk", "max_seconds": max_seconds}
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    texts_deb, audio_deb = fetch_packages([TEXTS_PACKAGE, AUDIO_PACKAGE], downloads, deb_dir=deb_dir)
    counts: Counter[str] = Counter()
    texts = read_texts(texts_deb, counts)
    versions = {TEXTS_PACKAGE: package_version(texts_deb), AUDIO_PACKAGE: package_version(audio_deb)}
    with new_directory(out) as directory:
        (directory / "audio").mkdir()
        prompts = _write_audio(audio_deb, directory / "audio", texts, counts, max_seconds)
        if not prompts:
            raise DataError(f"{audio_deb} holds no prompt that {texts_deb} names; fetch both again")
        _write_tables(directory, out, prompts)
        write_info(directory, made_by, counts=counts, packages=versions)
    logger.info("%s: %s", out, ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))


def read_texts(deb: Path, counts: Counter[str]) -> dict[str, str]:
    """Read the transcripts by the prompts' names; those of noises and silence are counted and left out."""
    texts = {}
    for line in _read_list(deb):
        name, separator, text = line.partition(": ")
        if line.startswith(";") or not separator:
            continue
        if spoken := " ".join(_NOTE.sub(" ", text).split()):
            texts[name.strip()] = spoken
        else:
            counts["dropped_without_words"] += 1
    return texts


def _read_list(deb: Path) -> list[str]:
    for name, content in read_members(deb, lambda name: name == TEXTS):
        try:
            return gzip.decompress(content).decode("utf-8").split("\n")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise DataError(f"{deb}: {name} cannot be read ({error}); fetch the package again") from error
    raise DataError(f"{deb} lacks {TEXTS}; is it the package {TEXTS_PACKAGE}?")


def _write_audio(
    deb: Path, audio: Path, texts: Mapping[str, str], counts: Counter[str], max_seconds: float
) -> dict[str, Prompt]:
    """Write a FLAC file per prompt that has a text; return the prompts by their ids."""
    prompts: dict[str, Prompt] = {}
    found = set()
    for path, content in read_members(deb, lambda path: _AUDIO.fullmatch(path) is not None):
        name = _AUDIO.sub(r"\g<name>", path)
        found.add(name)
        if name not in texts:
            continue
        samples, rate = _read_wav(deb, path, content)
        seconds = len(samples) / rate
        if not MIN_SECONDS <= seconds <= max_seconds:
            counts["dropped_too_long" if seconds > max_seconds else "dropped_no_audio"] += 1
            continue
        prompt = f"asterisk_{name.replace('/', '.')}"
        (audio / f"{prompt}.flac").write_bytes(encode_flac(samples, rate))
        prompts[prompt] = Prompt(texts[name], f"{prompt}.flac", seconds)
    counts["dropped_without_audio_file"] = len(texts.keys() - found)
    counts["kept"] = len(prompts)
    return prompts


def _read_wav(deb: Path, path: str, content: bytes) -> tuple[Pcm, int]:
    try:
        samples, rate = soundfile.read(BytesIO(content), dtype="int16")
    except soundfile.SoundFileError as error:
        raise DataError(f"{deb}: {path} is no audio ({error}); fetch the package again") from error
    if samples.ndim > 1:
        raise DataError(f"{deb}: {path} has {samples.shape[1]} channels, one was wanted; use another package")
    return samples, rate


def _write_tables(directory: Path, out: Path, prompts: Mapping[str, Prompt]) -> None:
    audio = out.absolute() / "audio"
    tables = [text_path(directory, "en"), *(directory / name for name in ("wav.scp", "utt2spk", "utt2dur"))]
    rows = (
        (name, (prompt.text, str(audio / prompt.file), SPEAKER, f"{prompt.seconds:.3f}"))
        for name, prompt in sorted(prompts.items())
    )
    write_tables(tables, rows)
