"""Asterisk's prompts: packages that the test makes, and what is dropped."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bytes_deb import make_bytes_deb

from synthst.corpora.asterisk import TEXTS, prepare_asterisk
from synthst.datadir import read_info
from synthst.errors import DataError
from synthst.tables import read_table

LIST = """; Core Asterisk Sounds in English

activated: Activated.
letters/at: at [@]
vm-intro: Please leave your  message. (simple tone sound plays)
beep: [this is a simple beep tone]
silence/1: (1 second of silence)
long: This one takes too long.
empty: This one has no sample.
lost: This one has no file.
"""
SAMPLES = (10_000 * np.sin(np.arange(4000) / 5)).astype(np.int16)  # half a second
FOLDER = "usr/share/asterisk/sounds/en_US_f_Allison"


def make_wav(samples: np.ndarray) -> bytes:  # type: ignore[type-arg]
    content = io.BytesIO()
    soundfile.write(content, samples, 8000, format="WAV", subtype="PCM_16")
    return content.getvalue()


def make_debs(folder: Path, texts: bytes, wavs: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    files = {f"{FOLDER}/{name}.wav": content for name, content in wavs.items()}
    make_bytes_deb(folder / "asterisk-core-sounds-en_1.6.1-1_all.deb", {TEXTS: texts})
    make_bytes_deb(folder / "asterisk-core-sounds-en-wav_1.6.1-1_all.deb", files)
    return folder


WAVS = {name: make_wav(SAMPLES) for name in ("activated", "letters/at", "vm-intro", "beep", "unlisted")} | {
    "long": make_wav(np.tile(SAMPLES, 3)),
    "empty": make_wav(SAMPLES[:0]),
}


def prepare(folder: Path, texts: str | bytes = LIST, wavs: dict[str, bytes] = WAVS) -> Path:
    packed = gzip.compress(texts.encode()) if isinstance(texts, str) else texts
    debs = make_debs(folder / "debs", packed, wavs)
    prepare_asterisk(folder / "out", downloads=folder / "none", deb_dir=debs, max_seconds=1.0)
    return folder / "out"


def test_prepare_asterisk_writes_transcripts_and_audio(tmp_path: Path) -> None:
    out = prepare(tmp_path)
    assert dict(read_table(out / "text.en")) == {
        "asterisk_activated": "Activated.",
        "asterisk_letters.at": "at",
        "asterisk_vm-intro": "Please leave your message.",
    }
    wav = dict(read_table(out / "wav.scp"))["asterisk_letters.at"]
    samples, rate = soundfile.read(wav, dtype="int16")
    assert rate == 8000
    assert (samples == SAMPLES).all()
    assert dict(read_table(out / "utt2dur"))["asterisk_letters.at"] == "0.500"
    assert set(dict(read_table(out / "utt2spk")).values()) == {"allison"}


def test_prepare_asterisk_counts_what_it_drops(tmp_path: Path) -> None:
    info = read_info(prepare(tmp_path))
    assert info["counts"] == {
        "dropped_without_words": 2,
        "dropped_too_long": 1,
        "dropped_no_audio": 1,
        "dropped_without_audio_file": 1,
        "kept": 3,
    }
    assert info["packages"] == {
        "asterisk-core-sounds-en": "1.6.1-1",
        "asterisk-core-sounds-en-wav": "1.6.1-1",
    }


def test_prepare_asterisk_leaves_what_is_there(tmp_path: Path) -> None:
    out = prepare(tmp_path)
    before = (out / "info.json").stat().st_mtime_ns
    prepare(tmp_path, b"broken")
    assert (out / "info.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("texts", "wavs", "message"),
    [
        (b"no gzip", WAVS, "core-sounds-en.txt.gz cannot be read"),
        (gzip.compress(b"a: \xff", mtime=0), WAVS, "core-sounds-en.txt.gz cannot be read"),
        (LIST, {"activated": b"text named .wav"}, "activated.wav is no audio"),
        (LIST, {"activated": make_wav(np.stack([SAMPLES, SAMPLES], axis=1))}, "activated.wav has 2 channels"),
        (LIST, {}, "holds no prompt that"),
    ],
)
def test_prepare_asterisk_names_what_is_wrong_in_a_package(
    tmp_path: Path, texts: str | bytes, wavs: dict[str, bytes], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, texts, wavs)
    assert not (tmp_path / "out").exists()


def test_prepare_asterisk_names_a_package_without_the_list(tmp_path: Path) -> None:
    debs = make_debs(tmp_path / "debs", b"", WAVS)
    make_bytes_deb(debs / "asterisk-core-sounds-en_1.6.1-1_all.deb", {"usr/share/doc/readme": b"x"})
    with pytest.raises(DataError, match="lacks usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"):
        prepare_asterisk(tmp_path / "out", downloads=tmp_path, deb_dir=debs)
