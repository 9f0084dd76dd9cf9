"""Spoken data directories: what is written, what is dropped, and that a killed run goes on."""

import errno
import fcntl
import os
import signal
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import soundfile
from processes import start

from synthst.corpora import spoken_parts
from synthst.corpora.espeak import voice_names
from synthst.corpora.spoken import prepare_spoken_libreoffice, speak_datadir
from synthst.datadir import read_info, text_path
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table, write_table

pytestmark = pytest.mark.skipif(not find_spec("espeakng_loader"), reason="espeakng-loader is not installed")

SENTENCES = {
    "lo_1": "Click the icon.",
    "lo_2": "Open a file.",
    "lo_3": "... - ...",
    "lo_4": "Close the window now.",
}


def make_texts(directory: Path, sentences: Mapping[str, str] = SENTENCES) -> Path:
    directory.mkdir(parents=True)
    write_table(text_path(directory, "en"), sorted(sentences.items()))
    german = {utterance: f"Deutsch {text}" for utterance, text in sentences.items()}
    write_table(text_path(directory, "de"), sorted(german.items()))
    return directory


def table(directory: Path, name: str) -> dict[str, str]:
    return dict(read_table(directory / name))


def audio(directory: Path) -> dict[str, bytes]:
    return {key: Path(wav).read_bytes() for key, wav in table(directory, "wav.scp").items()}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    speak_datadir(make_texts(folder / "data"), folder / "out", workers=1)
    return folder / "out"


def test_speak_datadir_writes_16_bit_flac_and_tables_that_agree(spoken: Path) -> None:
    seconds, speakers = table(spoken, "utt2dur"), table(spoken, "utt2spk")
    for utterance, wav in table(spoken, "wav.scp").items():
        info = soundfile.info(wav)
        assert Path(wav) == spoken / "audio/000" / f"{utterance}.flac"
        assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
        assert float(seconds[utterance]) == pytest.approx(info.duration, abs=0.0006)
        assert 0.5 < info.duration < 3
    assert set(speakers.values()) <= set(voice_names("en", "train"))
    assert (
        table(spoken, "text.en")
        == {key: SENTENCES[key] for key in seconds}
        == {key: text.removeprefix("Deutsch ") for key, text in table(spoken, "text.de").items()}
    )


def test_speak_datadir_counts_and_names_a_sentence_that_gives_no_audio(spoken: Path) -> None:
    assert (spoken / "dropped.tsv").read_text() == "lo_3\tno_audio\n"
    assert read_info(spoken)["counts"] == {"left_out": 0, "kept": 3, "dropped_no_audio": 1}
    assert "lo_3" not in table(spoken, "text.en")


def test_speak_datadir_drops_what_is_too_long_or_has_the_wrong_number_of_words(tmp_path: Path) -> None:
    data = make_texts(tmp_path / "data", {**SENTENCES, "lo_5": "Go.", "lo_6": "ha " * 39 + "ha"})
    speak_datadir(data, tmp_path / "out", min_words=2, max_words=40, max_seconds=5, workers=1)
    assert (tmp_path / "out/dropped.tsv").read_text() == "lo_3\tno_audio\nlo_6\ttoo_long\n"
    counts = {"dropped_too_few_words": 1, "left_out": 0, "kept": 3, "dropped_no_audio": 1}
    assert read_info(tmp_path / "out")["counts"] == counts | {"dropped_too_long": 1}


def test_speak_datadir_says_the_same_in_other_parts_processes_and_company(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spoken_parts, "PART_UTTERANCES", 1)
    data = make_texts(tmp_path / "data", {"lo_0": "Something before.", "lo_4": SENTENCES["lo_4"]})
    speak_datadir(data, tmp_path / "out", workers=2)
    assert audio(tmp_path / "out")["lo_4"] == audio(spoken)["lo_4"]
    assert table(tmp_path / "out", "wav.scp")["lo_4"].endswith("/out/audio/001/lo_4.flac")


def test_speak_datadir_resamples_to_the_rate_that_is_wanted(spoken: Path, tmp_path: Path) -> None:
    data = make_texts(tmp_path / "data", {"a/1": "Click the icon."})
    speak_datadir(data, tmp_path / "out", rate=16_000, langs=["en"], workers=1)
    wav = table(tmp_path / "out", "wav.scp")["a/1"]
    info = soundfile.info(wav)
    assert (info.samplerate, info.subtype) == (16_000, "PCM_16")
    assert info.duration == pytest.approx(float(table(tmp_path / "out", "utt2dur")["a/1"]), abs=0.0006)
    assert wav.endswith("/audio/000/a%2F1.flac")
    assert not (tmp_path / "out/text.de").exists()


def test_speak_datadir_chooses_nested_sets_and_skips(tmp_path: Path) -> None:
    data = make_texts(tmp_path / "data", {f"u{n}": "Go on." for n in range(6)})
    for name, options in {"two": {"size": 2}, "three": {"size": 3}, "rest": {"skip": 2}}.items():
        speak_datadir(data, tmp_path / name, workers=1, **options)  # type: ignore[arg-type]
    two, three, rest = (set(table(tmp_path / name, "text.en")) for name in ("two", "three", "rest"))
    assert two < three
    assert (len(two), len(three)) == (2, 3)
    assert rest == {f"u{n}" for n in range(6)} - two


def test_speak_datadir_goes_on_after_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = make_texts(tmp_path / "data"), tmp_path / "out"
    first = tmp_path / ".out.unfinished/audio/000"
    monkeypatch.setattr(spoken_parts, "PART_UTTERANCES", 2)

    def speak_half() -> None:
        speak = spoken_parts._speak
        sleep: Any = lambda utterance, *rest: utterance.id < "lo_3" or time.sleep(60)  # noqa: E731
        spoken_parts._speak, spoken_parts.PART_UTTERANCES = lambda *job: sleep(*job) and speak(*job), 2
        speak_datadir(data, out, workers=2)

    child = start(speak_half)
    while child.is_alive() and not first.exists():
        time.sleep(0.01)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    written = (first / "lo_1.flac").stat().st_mtime_ns
    speak_datadir(data, out, workers=1)
    assert (out / "audio/000/lo_1.flac").stat().st_mtime_ns == written
    assert set(table(out, "wav.scp")) == {"lo_1", "lo_2", "lo_4"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
    assert sorted(path.name for path in (out / "audio").iterdir()) == ["000", "001"]


def test_speak_datadir_begins_anew_when_the_texts_are_others(tmp_path: Path) -> None:
    unfinished = tmp_path / ".out.unfinished"
    (unfinished / "audio/000").mkdir(parents=True)
    (unfinished / "plan.json").write_text("{}")
    speak_datadir(make_texts(tmp_path / "data"), tmp_path / "out", workers=1)
    assert len(table(tmp_path / "out", "wav.scp")) == 3
    assert not (tmp_path / "out/plan.json").exists()


def test_speak_datadir_refuses_a_place_where_another_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthst.unfinished.LOCK_SECONDS", 0.0)
    unfinished = tmp_path / ".out.unfinished"
    unfinished.mkdir()
    descriptor = os.open(unfinished, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="is in use; wait"):
        speak_datadir(make_texts(tmp_path / "data"), tmp_path / "out", workers=1)
    os.close(descriptor)


def test_speak_datadir_tells_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(spoken_parts, "encode_flac", fail)
    with pytest.raises(DataError, match="No space left.*free some space"):
        speak_datadir(make_texts(tmp_path / "data"), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / ".out.unfinished/audio").iterdir())


def test_speak_datadir_tells_of_a_killed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_parts, "_speak", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match="was killed, for lack of memory perhaps; run again"):
        speak_datadir(make_texts(tmp_path / "data"), tmp_path / "out", workers=1)


def test_speak_datadir_leaves_what_is_there_and_refuses_other_options(spoken: Path) -> None:
    before = (spoken / "info.json").stat().st_mtime_ns
    speak_datadir(spoken.parent / "data", spoken)
    assert (spoken / "info.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match='voices: "train" then, "test" now'):
        speak_datadir(spoken.parent / "data", spoken, voices="test")


def test_speak_datadir_shows_no_progress_bar_off_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    speak_datadir(make_texts(tmp_path / "data", {"a": "Go."}), tmp_path / "out", workers=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lang": "xx"}, "no voice is listed for 'xx'"),
        ({"voices": "none"}, "no set of voices is called 'none'"),
        ({"rate": 16}, "a rate of 16 Hz"),
        ({"size": 0}, "size 0"),
        ({"skip": -1}, "skip -1"),
        ({"max_seconds": 0.0}, "max_seconds 0.0"),
        ({"workers": 0}, "0 workers"),
    ],
)
def test_speak_datadir_refuses_options_before_it_reads(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        speak_datadir(tmp_path / "data", tmp_path / "out", **options)


def test_speak_datadir_refuses_what_leaves_nothing_to_speak(tmp_path: Path) -> None:
    data = make_texts(tmp_path / "data")
    with pytest.raises(DataError, match="0 sentences of the lengths wanted.*widen min_words"):
        speak_datadir(data, tmp_path / "out", min_words=9)
    with pytest.raises(DataError, match="4 sentences of the lengths wanted, 4 are left out"):
        speak_datadir(data, tmp_path / "out", skip=4)
    silent = make_texts(tmp_path / "silent", {"a": "..."})
    with pytest.raises(DataError, match="no sentence of 1 gave audio"):
        speak_datadir(silent, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_speak_datadir_names_an_id_that_is_too_long_for_a_file(tmp_path: Path) -> None:
    data = make_texts(tmp_path / "data", {"x" * 251: "Go on."})
    with pytest.raises(DataError, match="the id x+ is too long"):
        speak_datadir(data, tmp_path / "out", workers=1)


def test_prepare_spoken_libreoffice_keeps_translations_of_a_part_and_holds_voices_out(tmp_path: Path) -> None:
    texts = {"train": 5, "dev": 3, "test": 3}
    for name, size in texts.items():
        make_texts(tmp_path / "texts" / name, {f"lo_{name}_{n}": "This is it now." for n in range(size)})
    out = tmp_path / "out"
    prepare_spoken_libreoffice(out, texts=tmp_path / "texts", max_train=2, max_test=2, workers=1)
    sets = {path.name: table(path, "text.en") for path in out.iterdir()}
    assert {name: len(rows) for name, rows in sets.items()} == {
        "train": 2,
        "train_asr": 3,
        "dev": 3,
        "test": 2,
    }
    assert not sets["train"].keys() & sets["train_asr"].keys()
    assert {name for name in sets if (out / name / "text.de").exists()} == {"train", "dev", "test"}
    for name, voices in {"train": "train", "train_asr": "train", "dev": "dev", "test": "test"}.items():
        heard = set(table(out / name, "utt2spk").values())
        assert heard <= set(voice_names("en", voices))  # type: ignore[arg-type]


def test_prepare_spoken_libreoffice_makes_no_asr_set_if_none_is_wanted(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        make_texts(tmp_path / "texts" / name, {f"{name}_{n}": "Go on." for n in range(2)})
    options: dict[str, Any] = {"min_words": 2, "max_train": 1, "max_asr": 0, "max_dev": 1, "max_test": 1}
    prepare_spoken_libreoffice(tmp_path / "out", texts=tmp_path / "texts", workers=1, **options)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dev", "test", "train"]
