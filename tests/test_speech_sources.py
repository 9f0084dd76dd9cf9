"""What a recipe of many speech corpora lacks is told at once, before any of them is read."""

import shutil
from pathlib import Path

import pytest
from toy_asr import (
    write_commonvoice,
    write_covost,
    write_europarl_st,
    write_librispeech,
    write_tedlium,
    write_voxpopuli,
)
from toy_iwslt import write_iwslt, write_mustc, write_st_ted

from synthst.corpora.speech_sources import check_sources
from synthst.errors import ConfigError, DataError
from synthst.info import write_info

PAIRS = [("One two", "Eins zwei")]
NAMES = {
    **{name: "must_c" for name in ("mustc", "dev", "tst-COMMON")},
    **{name: name for name in ("st_ted", "europarl_st", "covost", "librispeech", "tedlium", "voxpopuli")},
    **{"commonvoice": "covost", "tst2010": "iwslt"},
}


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    for part in ("train", "dev", "tst-COMMON"):
        write_mustc(folder / "must_c", part, {1: PAIRS})
    write_st_ted(folder / "st_ted", {1: PAIRS})
    write_europarl_st(folder / "europarl_st", PAIRS)
    write_iwslt(folder / "iwslt", "tst2010", {1: PAIRS})
    write_commonvoice(folder / "covost", ["One"])
    write_covost(folder / "covost.tsv", [(1, "Eins", "train")])
    write_librispeech(folder / "librispeech", "train-clean-100", ["One"])
    write_tedlium(folder / "tedlium", "train", ["One"])
    write_voxpopuli(folder / "voxpopuli", ["One"])
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/librispeech.yaml").write_text("parts: [train-clean-100]\n", encoding="utf-8")
    return folder


def check(downloads: Path, *names: str) -> None:
    sources = {name: downloads / place for name, place in NAMES.items() if name in (names or NAMES)}
    folder = downloads.parent
    check_sources(sources, data=folder / "data", conf=folder / "conf", translations=downloads / "covost.tsv")


def test_nothing_is_told_when_all_is_there(downloads: Path) -> None:
    check(downloads)


def test_everything_that_is_missing_is_told_at_once(downloads: Path) -> None:
    shutil.rmtree(downloads / "librispeech")
    (downloads / "covost.tsv").unlink()
    (downloads / "must_c/en-de/data/train/txt/train.de").unlink()
    shutil.rmtree(downloads / "iwslt/IWSLT.tst2010")
    with pytest.raises(DataError) as caught:
        check(downloads)
    first, *lines = str(caught.value).split("\n")
    assert first.startswith("files of 4 corpora are not there")
    found = dict(line.strip().split(": ", 1) for line in lines)
    assert found["librispeech"] == f"{downloads}/librispeech (download it from openslr.org/12)"
    assert found["covost"].startswith(f"{downloads}/covost.tsv (agree at commonvoice.mozilla.org")
    must_c = (
        f"{downloads}/must_c/en-de/data/train/txt/train.de (fill in the form at https://mt.fbk.eu/must-c/"
    )
    assert found["mustc"].startswith(must_c)
    told = f"{downloads}/iwslt/IWSLT.tst2010 (IWSLT-SLT.tst2010.en-de.tgz, of the archives listed at https://"
    assert found["tst2010"].startswith(f"{told}iwslt.org/2022/offline")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("dev", "must_c/en-de/data/dev/wav"),
        ("st_ted", "st_ted/parallel/train.yaml"),
        ("europarl_st", "europarl_st/en/audios"),
        ("covost", "covost/validated.tsv"),
        ("commonvoice", "covost/clips"),
        ("tedlium", "tedlium/legacy/train/sph"),
        ("librispeech", "librispeech/train-clean-100"),
        ("voxpopuli", "voxpopuli/raw_audios/original"),
        ("tst2010", "iwslt/IWSLT.tst2010/wavs"),
    ],
)
def test_a_part_of_a_corpus_that_is_missing_is_told(downloads: Path, name: str, place: str) -> None:
    (downloads / place).rename(downloads / "elsewhere")
    with pytest.raises(DataError, match=f"\n  {name}: {downloads / place} "):
        check(downloads, name)


def test_recordings_in_another_format_are_to_be_made_wav(downloads: Path) -> None:
    (wav,) = (downloads / "europarl_st/en/audios").glob("*.wav")
    wav.rename(wav.with_suffix(".m4a"))
    with pytest.raises(DataError, match=r"europarl_st: .*17.3-183.wav .*ffmpeg -i"):
        check(downloads, "europarl_st")


def test_what_was_made_already_needs_no_source(downloads: Path, tmp_path: Path) -> None:
    shutil.rmtree(downloads / "must_c")
    for name in ("mustc", "corpus/dev"):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_info(tmp_path / "data" / name, {"step": "toy"})
    check(downloads, "mustc", "dev")
    with pytest.raises(DataError, match="tst-COMMON"):
        check(downloads, "mustc", "dev", "tst-COMMON")


def test_settings_that_cannot_be_read_are_refused(downloads: Path, tmp_path: Path) -> None:
    (tmp_path / "conf/librispeech.yaml").write_text("parts: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"librispeech.yaml cannot be read"):
        check(downloads)
