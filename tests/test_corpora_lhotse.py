"""Manifests that lhotse writes become speech data directories."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("lhotse", reason="lhotse is an optional extra")

from lhotse import AudioSource, CutSet, MonoCut, Recording, RecordingSet, SupervisionSegment, SupervisionSet
from toy_dump import table

from synthst.audio import read_audio
from synthst.corpora.lhotse import import_lhotse
from synthst.errors import ConfigError, DataError, install_command
from synthst.info import read_info
from synthst.speechdir import check_speech

RATE = 8000


def write_wav(path: Path, *, seconds: float = 1.0, channels: int = 1) -> str:
    """Write noise, another in each channel."""
    samples = np.random.default_rng(0).integers(-9000, 9000, (round(seconds * RATE), channels))
    soundfile.write(path, samples.astype(np.int16), RATE)
    return str(path)


def recording(name: str, sources: list[AudioSource], seconds: float = 1.0, **more: Any) -> Recording:
    return Recording(name, sources, RATE, round(seconds * RATE), seconds, **more)


def mono(folder: Path, name: str = "r", seconds: float = 1.0) -> Recording:
    return recording(
        name, [AudioSource("file", [0], write_wav(folder / f"{name}.wav", seconds=seconds))], seconds
    )


def segment(name: str, of: str = "r", **more: Any) -> SupervisionSegment:
    return SupervisionSegment(
        **{
            "id": name,
            "recording_id": of,
            "start": 0.0,
            "duration": 0.5,
            "text": "One",
            "speaker": "s",
            **more,
        }
    )


def import_them(
    folder: Path,
    recordings: list[Recording],
    supervisions: list[SupervisionSegment],
    *,
    suffix: str = ".jsonl.gz",
    **options: Any,
) -> Path:
    """Write manifests, import them and return the data directory."""
    paths = folder / f"recordings{suffix}", folder / f"supervisions{suffix}"
    RecordingSet.from_recordings(recordings).to_file(paths[0])
    SupervisionSet.from_segments(supervisions).to_file(paths[1])
    if "text_fields" not in options:
        options["lang"] = "en"
    import_lhotse(folder / "out", recordings=paths[0], supervisions=paths[1], **options)
    return folder / "out"


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl", ".json", ".yaml"])
def test_all_tables_of_an_import(tmp_path: Path, suffix: str) -> None:
    supervisions = [
        segment("b", start=0.25, duration=0.75, text=" Two\twords\n", speaker="Ann Lee"),
        segment("a", speaker=None),
    ]
    out = import_them(tmp_path, [mono(tmp_path)], supervisions, suffix=suffix)
    assert table(out, "wav.scp") == {"r": str(tmp_path / "r.wav")}
    assert table(out, "segments") == {"a": "r 0.000000 0.500000", "b": "r 0.250000 1.000000"}
    assert table(out, "utt2spk") == {"a": "a", "b": "Ann_Lee"}
    assert table(out, "utt2dur") == {"a": "0.500", "b": "0.750"}
    assert table(out, "text.en") == {"a": "One", "b": "Two words"}
    assert read_info(out)["counts"] == {"read": 2, "kept": 2}
    assert check_speech(out, rate=RATE).good == 2


def test_text_fields_may_be_custom_and_nested(tmp_path: Path) -> None:
    supervisions = [
        segment("a", custom={"translated": {"deu": "Eins"}, "raw": "ONE"}),
        segment("b", custom={"translated": {"fra": "Un"}}),
        segment("c", custom={"translated": "Eins"}),
        segment("d"),
    ]
    fields = {"en": "text", "de": "translated.deu"}
    out = import_them(tmp_path, [mono(tmp_path)], supervisions, text_fields=fields)
    assert table(out, "text.en") == {"a": "One"} and table(out, "text.de") == {"a": "Eins"}
    assert read_info(out)["counts"] == {"read": 4, "kept": 1, "dropped_no_text_de": 3}


def test_what_cannot_be_kept_is_dropped_and_counted(tmp_path: Path) -> None:
    supervisions = [
        segment("kept"),
        segment("none", text=None),
        segment("empty", text=" \n"),
        segment("control", text="One\x00"),
        segment("long", start=0.5, duration=0.7),
        segment("after", start=2.0),
        segment("short", duration=0.0),
    ]
    out = import_them(tmp_path, [mono(tmp_path)], supervisions)
    assert list(table(out, "segments")) == ["kept"]
    assert read_info(out)["counts"] == {
        "read": 7,
        "kept": 1,
        "dropped_no_text_en": 2,
        "dropped_control_character": 1,
        "dropped_outside_recording": 2,
        "dropped_no_duration": 1,
    }


def test_a_supervision_a_little_too_long_is_cut_off_at_the_end(tmp_path: Path) -> None:
    supervisions = [segment("a", start=0.5, duration=0.55), segment("b", start=-0.05, duration=0.55)]
    out = import_them(tmp_path, [mono(tmp_path)], supervisions)
    assert table(out, "segments") == {"a": "r 0.500000 1.000000", "b": "r 0.000000 0.500000"}
    assert check_speech(out).good == 2


def test_if_none_is_kept_the_fields_that_there_are_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 dropped no text de; its fields are text, translation$"):
        import_them(
            tmp_path,
            [mono(tmp_path)],
            [segment("a", custom={"translation": "Eins"})],
            text_fields={"de": "german"},
        )
    assert not (tmp_path / "out").exists()


def test_one_channel_is_taken_out_of_a_file_with_several(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "r.wav", channels=2)
    supervisions = [segment("a", channel=0), segment("b", channel=1), segment("c", channel=1)]
    out = import_them(tmp_path, [recording("r", [AudioSource("file", [0, 1], wav)])], supervisions)
    places = table(out, "wav.scp")
    assert [row.split()[0] for row in table(out, "segments").values()] == ["r-c0", "r-c1", "r-c1"]
    for channel in (0, 1):
        found, rate = read_audio(places[f"r-c{channel}"])
        assert rate == RATE and np.array_equal(found, read_audio(wav, channel=channel)[0])
    assert check_speech(out).good == 3


def test_channels_in_files_of_their_own_stay_where_they_are(tmp_path: Path) -> None:
    sources = [AudioSource("file", [number], write_wav(tmp_path / f"{number}.wav")) for number in (0, 3)]
    out = import_them(tmp_path, [recording("r", sources)], [segment("a", channel=3)])
    assert table(out, "wav.scp") == {"r-c3": str(tmp_path / "3.wav")} and not (out / "audio").exists()


@pytest.mark.parametrize(("channel", "name"), [(-1, "r-mixed"), (1, "r-c1")])
def test_a_supervision_on_several_channels_needs_a_choice(tmp_path: Path, channel: int, name: str) -> None:
    wav = write_wav(tmp_path / "r.wav", channels=2)
    recordings = [recording("r", [AudioSource("file", [0, 1], wav)])]
    with pytest.raises(DataError, match=r"a is on the channels \[0, 1\]; choose a channel, or -1"):
        import_them(tmp_path, recordings, [segment("a", channel=[0, 1])])
    out = import_them(tmp_path, recordings, [segment("a", channel=[0, 1])], channel=channel)
    found, expected = read_audio(table(out, "wav.scp")[name])[0], read_audio(wav, channel=channel)[0]
    np.testing.assert_allclose(found, expected, atol=2**-15)


def test_commands_and_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    wav = write_wav(tmp_path / "deep" / "r.wav")
    recordings = [
        recording("r", [AudioSource("file", [0], "deep/r.wav")]),
        recording("p", [AudioSource("command", [0], f"cat {wav}")]),
    ]
    out = import_them(tmp_path, recordings, [segment("a"), segment("b", of="p")], audio_root=tmp_path)
    assert table(out, "wav.scp") == {"r": wav, "p": f"cat {wav} |"}
    assert check_speech(out).good == 2


def test_cuts_give_times_from_the_beginning_of_the_recording_and_each_supervision_once(
    tmp_path: Path,
) -> None:
    long = mono(tmp_path, seconds=3.0)
    cuts = [
        MonoCut("c1", 0.0, 2.0, 0, supervisions=[segment("a"), segment("b", start=1.5)], recording=long),
        MonoCut(
            "c2", 1.0, 2.0, 0, supervisions=[segment("b", start=0.5), segment("d", start=1.0)], recording=long
        ),
    ]
    CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl")
    import_lhotse(tmp_path / "out", cuts=tmp_path / "cuts.jsonl", lang="en")
    expected = {"a": "r 0.000000 0.500000", "b": "r 1.500000 2.000000", "d": "r 2.000000 2.500000"}
    assert table(tmp_path / "out", "segments") == expected
    assert read_info(tmp_path / "out")["counts"] == {"read": 4, "kept": 3, "dropped_repeated": 1}


def bad_manifests(folder: Path) -> dict[str, tuple[list[Recording], list[SupervisionSegment], str]]:
    """Return what must be refused, and how."""
    good = mono(folder)
    url = recording("r", [AudioSource("url", [0], "https://example.org/r.wav")])
    gone = recording("r", [AudioSource("file", [0], "gone.wav")])
    two = recording("r", [AudioSource("file", [n], write_wav(folder / f"{n}.wav")) for n in (0, 1)])
    return {
        "missing": ([gone], [segment("a")], r"gone\.wav of the recording r is missing; give audio_root"),
        "url": ([url], [segment("a")], "the recording r is of type 'url'; download"),
        "unknown": ([good], [segment("a"), segment("b", of="q"), segment("c", of="q")], "of 2 .* is q .of b"),
        "blank": ([good], [segment("a b")], "the id 'a b'; ids must not"),
        "channel": ([two], [segment("a", channel=7)], r"has the channels \[0, 1\], none is 7"),
        "resampled": ([good.resample(4000)], [segment("a")], "is changed when lhotse reads it"),
        "faster": (
            [good.perturb_speed(1.1)],
            [segment("a", of="r_sp1.1")],
            "is changed when lhotse reads it",
        ),
    }


@pytest.mark.parametrize("case", ["missing", "url", "unknown", "blank", "channel", "resampled", "faster"])
def test_bad_manifests_are_refused_by_name_and_leave_nothing(tmp_path: Path, case: str) -> None:
    recordings, supervisions, found = bad_manifests(tmp_path)[case]
    with pytest.raises(DataError, match=found):
        import_them(tmp_path, recordings, supervisions)
    assert not (tmp_path / "out").exists() and list(tmp_path.glob(".out*")) == []


def test_ids_of_two_supervisions_or_recordings_are_refused(tmp_path: Path) -> None:
    line = '{"id": "a", "recording_id": "r", "start": 0, "duration": %s, "channel": 0, "text": "One"}\n'
    RecordingSet.from_recordings([mono(tmp_path)]).to_file(tmp_path / "r.jsonl")
    (tmp_path / "s.jsonl").write_text(line % 0.5 + line % 0.4, encoding="utf-8")
    manifests = {"recordings": tmp_path / "r.jsonl", "supervisions": tmp_path / "s.jsonl"}
    with pytest.raises(DataError, match=r"s\.jsonl: 2 different supervisions are called a"):
        import_lhotse(tmp_path / "out", lang="en", **manifests)
    text = (tmp_path / "r.jsonl").read_text(encoding="utf-8")
    (tmp_path / "r.jsonl").write_text(text * 2, encoding="utf-8")
    with pytest.raises(DataError, match=r"r\.jsonl: the recording r came already"):
        import_lhotse(tmp_path / "out", lang="en", **manifests)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("not json\n", r"r\.jsonl is no manifest that lhotse reads"),
        (
            '{"id": "a", "recording_id": "r", "start": 0, "duration": 1, "channel": 0}\n',
            "has a SupervisionSegment",
        ),
        ("", "no supervision|lacks the recordings"),
        (None, r"r\.jsonl is missing"),
    ],
)
def test_files_that_are_no_manifests_are_refused(tmp_path: Path, content: str | None, found: str) -> None:
    SupervisionSet.from_segments([segment("a")]).to_file(tmp_path / "s.jsonl")
    if content is not None:
        (tmp_path / "r.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=found):
        import_lhotse(
            tmp_path / "out", recordings=tmp_path / "r.jsonl", supervisions=tmp_path / "s.jsonl", lang="en"
        )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"recordings": Path("r")}, "both recordings and supervisions, or only cuts"),
        ({"cuts": Path("c"), "supervisions": Path("s")}, "both recordings and supervisions, or only cuts"),
        ({}, "both recordings and supervisions, or only cuts"),
        ({"cuts": Path("c"), "lang": None}, "give either lang"),
        ({"cuts": Path("c"), "text_fields": {"en": "text"}}, "give either lang"),
        ({"cuts": Path("c"), "lang": "a/b"}, "no language code"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, options: dict[str, Any], found: str
) -> None:
    with pytest.raises(ConfigError, match=found):
        import_lhotse(tmp_path / "out", **{"lang": "en", **options})


def test_without_lhotse_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lhotse", None)
    told = re.escape(f"lhotse is not installed; {install_command('lhotse')}")
    with pytest.raises(ConfigError, match=told):
        import_lhotse(tmp_path / "out", cuts=tmp_path / "c.jsonl", lang="en")
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_is_there_is_kept_and_another_refused(tmp_path: Path) -> None:
    out = import_them(tmp_path, [mono(tmp_path)], [segment("a")])
    made = (out / "segments").stat().st_mtime_ns
    import_them(tmp_path, [mono(tmp_path)], [segment("a")])
    assert (out / "segments").stat().st_mtime_ns == made
    with pytest.raises(DataError, match="made otherwise.*channel"):
        import_them(tmp_path, [mono(tmp_path)], [segment("a")], channel=0)
