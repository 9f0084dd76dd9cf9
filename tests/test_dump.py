"""The audio of training: its values, its tables, and what is refused."""

from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
from toy_dump import RATE, make_data, table, tone, tree

from synthst import dump_parts, dump_pool
from synthst.audio import read_audio
from synthst.dump import dump_audio, read_dump
from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.speechdir import read_utterances
from synthst.tables import write_table


def test_audio_of_the_wanted_rate_comes_out_bit_by_bit(tmp_path: Path) -> None:
    data = make_data(tmp_path, [1600, 3200])
    dump_audio(data, tmp_path / "dump", workers=1)
    for utterance, length in (("u00", 1600), ("u01", 3200)):
        samples, rate = soundfile.read(table(tmp_path / "dump", "wav.scp")[utterance], dtype="int16")
        assert rate == RATE
        assert np.array_equal(samples, tone(length))


def test_full_scale_samples_keep_their_values_and_nothing_counts_as_clipped() -> None:
    pcm, clipped = dump_parts.to_pcm(np.array([-1, -0.5, 0, 0.5, 32767 / 32768, 1], np.float32))
    assert pcm.tolist() == [-32768, -16384, 0, 16384, 32767, 32767] and clipped == 0


def test_too_loud_samples_are_cut_off_and_counted() -> None:
    pcm, clipped = dump_parts.to_pcm(np.array([-1.1, 0, 1.1], np.float32))
    assert pcm.tolist() == [-32768, 0, 32767] and clipped == 2


def test_tables_of_a_dump_with_two_speeds_and_a_prefix(tmp_path: Path) -> None:
    """Lengths by hand: 1601 / 0.9 = 1778.9, rounded up; 3200 / 0.9 = 3555.6, rounded up."""
    data = make_data(tmp_path, [1601, 3200])
    out = tmp_path / "dump"
    dump_audio(data, out, speeds=[1.0, 0.9], prefix="x_", workers=1)
    ids = ["sp0.9-x_u00", "sp0.9-x_u01", "x_u00", "x_u01"]
    assert list(table(out, "wav.scp")) == ids
    assert table(out, "utt2num_samples") == dict(zip(ids, ["1779", "3556", "1601", "3200"], strict=True))
    assert table(out, "utt2dur") == dict(zip(ids, ["0.111", "0.222", "0.100", "0.200"], strict=True))
    assert table(out, "utt2source") == dict(zip(ids, ["x_u00", "x_u01"] * 2, strict=True))
    speakers = ["sp0.9-x_s0", "sp0.9-x_s1", "x_s0", "x_s1"]
    assert table(out, "utt2spk") == dict(zip(ids, speakers, strict=True))
    expected = {"utterances": 2, "copies": 4, "samples": 1779 + 3556 + 1601 + 3200, "clipped_samples": 0}
    assert read_info(out)["counts"] == expected
    assert not list(out.rglob("*.rows")) and list(tmp_path.glob(".*")) == []


def test_a_dump_is_itself_a_directory_of_speech(tmp_path: Path) -> None:
    dump_audio(make_data(tmp_path, [1600, 3200]), tmp_path / "dump", workers=1)
    found = [(one.id, one.speaker, one.seconds) for one in read_utterances(tmp_path / "dump")]
    assert found == [("u00", "s0", 0.1), ("u01", "s1", 0.2)]


def test_speed_moves_length_and_pitch_as_sox_does(tmp_path: Path) -> None:
    data = make_data(tmp_path, [RATE], hertz=400)
    dump_audio(data, tmp_path / "dump", speeds=[0.9, 1.0, 1.1], workers=1)
    index = read_dump(tmp_path / "dump")
    assert index.ids == ["sp0.9-u00", "sp1.1-u00", "u00"]
    for wav, samples, hertz in zip(index.wav, [17778, 14546, 16000], [360, 440, 400], strict=True):
        found, _ = read_audio(wav)
        assert len(found) == samples
        loudest = np.argmax(np.abs(np.fft.rfft(found * np.hanning(samples)))) * RATE / samples
        assert loudest == pytest.approx(hertz, abs=1)
        assert np.abs(found).max() == pytest.approx(0.5, abs=0.01)


def test_speed_agrees_with_torchaudios_function_and_makes_its_kernel_once() -> None:
    import torch
    import torchaudio

    from synthst import speed

    speed._resampler.cache_clear()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 5000).astype(np.float32)
    for factor in (0.9, 1.1, 0.9, 1.1):
        expected, _ = torchaudio.functional.speed(torch.from_numpy(samples), RATE, factor)
        np.testing.assert_allclose(speed.change_speed(samples, factor), expected.numpy(), atol=1e-6)
    assert speed._resampler.cache_info().misses == 2


def test_other_rates_are_resampled(tmp_path: Path) -> None:
    data = make_data(tmp_path, [11_025], rate=11_025, hertz=400)
    dump_audio(data, tmp_path / "dump", workers=1)
    samples, rate = read_audio(table(tmp_path / "dump", "wav.scp")["u00"])
    assert (rate, len(samples)) == (RATE, RATE)
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 400


def test_an_ark_holds_the_same_as_flac_files(tmp_path: Path) -> None:
    data = make_data(tmp_path, [1600, 3200, 800])
    dump_audio(data, tmp_path / "flac", workers=1)
    dump_audio(data, tmp_path / "ark", audio_format="ark", part_utterances=2, workers=1)
    arks = sorted(path.name for path in (tmp_path / "ark" / "audio").rglob("*.ark"))
    assert arks == ["audio.ark", "audio.ark"]
    flacs, places = table(tmp_path / "flac", "wav.scp"), table(tmp_path / "ark", "wav.scp")
    for utterance, place in places.items():
        rate, stored = kaldiio.load_mat(place)
        assert rate == RATE
        assert np.array_equal(read_audio(place)[0], read_audio(flacs[utterance])[0])
        assert len(stored) == len(read_audio(place)[0])
    assert set(kaldiio.load_scp(str(tmp_path / "ark" / "wav.scp"))) == set(places)


def test_segments_are_cut_and_a_recording_is_read_once_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is a ramp, so that each sample tells where it was."""
    data = make_data(tmp_path, [16])
    ramp = np.arange(RATE, dtype=np.int16)
    soundfile.write(tmp_path / "ramp.wav", ramp, RATE)
    counter = tmp_path / "runs"
    write_table(data / "wav.scp", [("r", f"echo >> {counter}; cat {tmp_path}/ramp.wav |")])
    write_table(data / "segments", [("a", "r 0.5 0.75"), ("b", "r 0.0 0.25"), ("c", "r 0.9 -1")])
    for name, value in (("utt2spk", "s"), ("text.en", "la")):
        write_table(data / name, ((utterance, value) for utterance in "abc"))
    write_table(data / "utt2dur", [("a", "0.25"), ("b", "0.25"), ("c", "0.1")])
    dump_audio(data, tmp_path / "dump", workers=1)
    for utterance, (first, last) in {"a": (8000, 12000), "b": (0, 4000), "c": (14400, 16000)}.items():
        samples, _ = soundfile.read(table(tmp_path / "dump", "wav.scp")[utterance], dtype="int16")
        assert np.array_equal(samples, ramp[first:last])
    assert counter.read_text() == "\n"


def test_several_processes_write_the_same_as_one(tmp_path: Path) -> None:
    data = make_data(tmp_path, [800 + 10 * number for number in range(9)])
    for out, workers in (("one", 1), ("two", 2)):
        dump_audio(data, tmp_path / out, part_utterances=2, workers=workers)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_dump_that_is_there_is_kept_and_one_of_other_options_refused(tmp_path: Path) -> None:
    data, out = make_data(tmp_path, [1600]), tmp_path / "dump"
    dump_audio(data, out, workers=1)
    made = (out / "wav.scp").stat().st_mtime_ns
    dump_audio(data, out, workers=2)
    assert (out / "wav.scp").stat().st_mtime_ns == made
    with pytest.raises(DataError, match="made otherwise.*rate: 16000 then, 8000 now"):
        dump_audio(data, out, rate=8000, workers=1)
    write_table(data / "utt2spk", [("u00", "another")])
    with pytest.raises(DataError, match="made otherwise.*checksum_of_tables"):
        dump_audio(data, out, workers=1)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"rate": 0}, "a rate of 0 Hz; give"),
        ({"audio_format": "mp3"}, "'mp3' is not known; give flac or ark"),
        ({"speeds": []}, "give one or more, each once"),
        ({"speeds": [1, 0.9, 0.90]}, "give one or more, each once"),
        ({"speeds": [9]}, "the speed 9.0; give numbers like 0.9"),
        ({"speeds": [0.98765]}, "the speed 0.98765; give"),
        ({"speeds": [float("nan")]}, "the speed nan; give"),
        ({"prefix": "a b"}, "'a b' cannot begin an id"),
        ({"workers": 0}, "0 workers"),
        ({"part_utterances": 0}, "0 utterances in a part"),
    ],
)
def test_options_that_cannot_be_are_refused_before_any_work(
    tmp_path: Path, options: dict[str, Any], found: str
) -> None:
    data = make_data(tmp_path, [1600])
    with pytest.raises(ConfigError, match=found):
        dump_audio(data, tmp_path / "dump", **options)
    assert list(tmp_path.glob("*dump*")) == []


def test_an_id_like_that_of_a_copy_is_refused(tmp_path: Path) -> None:
    data = make_data(tmp_path, [1600])
    for name, value in (("wav.scp", str(tmp_path / "u00.wav")), ("utt2spk", "s"), ("utt2dur", "0.1")):
        write_table(data / name, [("sp0.9-u00", value)])
    with pytest.raises(DataError, match="the id sp0.9-u00 is one of a copy"):
        dump_audio(data, tmp_path / "dump", speeds=[0.9, 1.0], workers=1)


def test_progress_is_logged_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dump_pool, "LOG_SECONDS", -1.0)
    caplog.set_level("INFO")
    dump_audio(make_data(tmp_path, [1600] * 3), tmp_path / "dump", part_utterances=2, workers=1)
    assert "2 of 3 utterances, 0:00:00 to go" in caplog.text
    assert "3 utterances" in caplog.text


def test_read_dump_gives_ids_places_lengths_and_sources(tmp_path: Path) -> None:
    dump_audio(make_data(tmp_path, [1600, 3200]), tmp_path / "dump", speeds=[1.0, 0.5], workers=1)
    index = read_dump(tmp_path / "dump")
    assert index.rate == RATE
    assert index.ids == ["sp0.5-u00", "sp0.5-u01", "u00", "u01"]
    assert index.source == ["u00", "u01", "u00", "u01"]
    assert index.samples.tolist() == [3200, 6400, 1600, 3200] and index.samples.dtype == np.int64
    assert all(Path(wav).is_absolute() and Path(wav).is_file() for wav in index.wav)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("wav.scp", "u00 /x.flac\n", "wav.scp lacks 1 of 2 ids"),
        ("utt2num_samples", "u00 1600\nu01 -3\n", "utt2num_samples: u01 has '-3', no number of samples"),
        ("utt2num_samples", "u00 1600\nu01 32", "the last line has no newline"),
        ("utt2source", "", "utt2source lacks 2 of 2 ids"),
    ],
)
def test_read_dump_refuses_tables_that_do_not_agree(
    tmp_path: Path, name: str, content: str, found: str
) -> None:
    dump_audio(make_data(tmp_path, [1600, 3200]), tmp_path / "dump", workers=1)
    (tmp_path / "dump" / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=found):
        read_dump(tmp_path / "dump")


def test_read_dump_refuses_tables_that_all_lack_the_same_and_what_is_no_dump(tmp_path: Path) -> None:
    data = make_data(tmp_path, [1600, 3200])
    dump_audio(data, tmp_path / "dump", workers=1)
    for name in ("wav.scp", "utt2num_samples", "utt2source"):
        path = tmp_path / "dump" / name
        path.write_text(path.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 1 utterances, 2 were written"):
        read_dump(tmp_path / "dump")
    with pytest.raises(DataError, match="info.json cannot be read"):
        read_dump(data)


def test_data_without_speech_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    data = make_data(tmp_path, [1600])
    (data / "wav.scp").unlink()
    with pytest.raises(DataError, match="wav.scp"):
        dump_audio(data, tmp_path / "dump")
    assert list(tmp_path.glob("*dump*")) == []
