"""Recordings: files, commands and arks, read whole or in part, and everything that is wrong with them."""

import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from speech_data import RATE, write_tone

from synthst.audio import AudioError, AudioInfo, audio_info, open_recording, read_audio

RAMP = (np.arange(RATE) / RATE).astype(np.float32)  # the sample at t seconds is t


@pytest.fixture
def ramp(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "ramp.wav", RAMP, RATE, subtype="FLOAT")
    return str(tmp_path / "ramp.wav")


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [("a.wav", "PCM_16", 2**-15), ("a.flac", "PCM_16", 2**-15), ("a.wav", "PCM_U8", 2**-7)],
)
def test_a_file_is_read_to_the_precision_of_its_format(
    tmp_path: Path, name: str, subtype: str, step: float
) -> None:
    soundfile.write(tmp_path / name, RAMP, RATE, subtype=subtype)
    assert audio_info(str(tmp_path / name)) == AudioInfo(RATE, 1, RATE)
    samples, rate = read_audio(str(tmp_path / name))
    assert (rate, samples.dtype, samples.shape) == (RATE, np.float32, (RATE,))
    assert np.abs(samples - RAMP).max() <= step


def test_a_segment_is_the_samples_between_its_times(ramp: str) -> None:
    samples, _ = read_audio(ramp, start=0.25, end=0.5)
    np.testing.assert_array_equal(samples, RAMP[2000:4000])
    with open_recording(ramp) as recording:
        np.testing.assert_array_equal(recording.read(start=0.75), RAMP[6000:])
        np.testing.assert_array_equal(recording.read(end=0.125), RAMP[:1000])
    assert audio_info(ramp).seconds == 1.0


def test_a_command_is_a_line_of_bash_that_writes_a_file(ramp: str) -> None:
    assert audio_info(f"cat '{ramp}' | cat |") == AudioInfo(RATE, 1, RATE)
    np.testing.assert_array_equal(read_audio(f"cat '{ramp}' |", start=0.5)[0], RAMP[4000:])


@pytest.mark.parametrize("audio_format", ["flac", "wav", None])
def test_an_ark_is_read_at_the_places_that_kaldiio_wrote_into_its_scp(
    tmp_path: Path, audio_format: str | None
) -> None:
    integers = (RAMP * 2**15).astype(np.int16)
    kaldiio.save_ark(
        str(tmp_path / "x.ark"),
        {"one": (RATE, integers), "two": (RATE, integers[::-1].copy())},
        scp=str(tmp_path / "x.scp"),
        write_function="soundfile" if audio_format else None,
        write_kwargs={"format": audio_format} if audio_format else None,
    )
    one, two = (line.split()[1] for line in (tmp_path / "x.scp").read_text().splitlines())
    assert audio_info(one) == AudioInfo(RATE, 1, RATE)
    np.testing.assert_array_equal(read_audio(one)[0], integers / np.float32(2**15))
    np.testing.assert_array_equal(read_audio(two, end=0.5)[0], integers[:3999:-1] / np.float32(2**15))


def test_a_pickle_in_an_ark_is_not_opened(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "evil",))

    (tmp_path / "x.ark").write_bytes(b"a PKL" + pickle.dumps(Evil()))
    assert refused(f"{tmp_path}/x.ark:2") == ("unreadable", "no audio at byte 2")
    assert not (tmp_path / "evil").exists()


def test_audio_is_resampled_when_a_rate_is_wanted(tmp_path: Path) -> None:
    wav = write_tone(tmp_path / "tone.wav", 1.0, rate=44_100)
    samples, rate = read_audio(wav, rate=16_000)
    assert (rate, len(samples), samples.dtype) == (16_000, 16_000, np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(samples - tone)[1000:-1000].max() < 1e-3
    assert read_audio(wav, rate=44_100)[0].shape == (44_100,)


def test_channels_are_chosen_or_mixed_but_never_by_chance(tmp_path: Path) -> None:
    wav = write_tone(tmp_path / "two.wav", 0.1, channels=2)
    reason, message = refused(wav)
    assert (reason, message) == ("stereo", "2 channels, one was wanted")
    first, second = read_audio(wav, channel=0)[0], read_audio(wav, channel=1)[0]
    np.testing.assert_allclose(first, -second, atol=2**-14)
    assert first.max() > 0.4
    np.testing.assert_allclose(read_audio(wav, channel=-1)[0], 0, atol=2**-14)
    assert refused(wav, channel=2)[0] == "no_such_channel"
    assert refused(write_tone(tmp_path / "one.wav", 0.1), channel=1)[0] == "no_such_channel"


@pytest.mark.parametrize(
    ("content", "reason", "found"),
    [
        (None, "missing", "the file is missing"),
        (b"", "zero_length", "no byte, the file is empty"),
        (b"This is a letter, no sound.\n", "unreadable", "no audio that can be read (Format not recognised)"),
    ],
)
def test_a_file_that_is_no_recording_is_named(
    tmp_path: Path, content: bytes | None, reason: str, found: str
) -> None:
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    assert refused(str(tmp_path / "a.wav")) == (reason, found)


def test_a_directory_and_raw_samples_are_no_recordings(tmp_path: Path) -> None:
    assert refused(str(tmp_path)) == ("missing", "the file is no file")
    (tmp_path / "a.raw").write_bytes(b"abcd")
    assert refused(str(tmp_path / "a.raw"))[0] == "unreadable"


def test_a_recording_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", RAMP[:0], RATE)
    assert refused(str(tmp_path / "a.wav")) == ("zero_length", "no sample, its length is zero")


def test_samples_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    samples = RAMP.copy()
    samples[[3, 5000]] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    wav = str(tmp_path / "a.wav")
    assert refused(wav) == ("not_finite", "2 of 8,000 samples are NaN or infinite")
    assert read_audio(wav, start=0.1, end=0.2)[0].shape == (800,)


def test_a_flac_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", RAMP, RATE)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    assert refused(str(tmp_path / "a.flac"))[0] == "unreadable"


def test_a_command_that_fails_or_writes_nothing_is_refused() -> None:
    assert refused("echo no such >&2; exit 3 |")[1] == "the command failed with status 3: no such"
    assert refused("cat /nonexistent/a.wav | cat |")[0] == "unreadable"
    assert refused("true |")[1] == "the command wrote nothing"


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0.5, 1.006, "beyond_end"),
        (1.5, 1.7, "beyond_end"),
        (1.5, None, "beyond_end"),
        (0.5, 0.5, "zero_length"),
        (0.6, 0.5, "zero_length"),
        (-0.1, 0.5, "zero_length"),
        (0.0, float("nan"), "zero_length"),
    ],
)
def test_times_outside_the_recording_are_refused(
    ramp: str, start: float, end: float | None, reason: str
) -> None:
    assert refused(ramp, start=start, end=end)[0] == reason


def test_an_end_that_was_rounded_up_is_the_end(ramp: str) -> None:
    assert read_audio(ramp, start=0.5, end=1.004)[0].shape == (4000,)


def test_an_error_of_another_process_keeps_its_reason() -> None:
    error = pickle.loads(pickle.dumps(AudioError("a.wav: what; remedy", "stereo")))
    assert (str(error), error.reason) == ("a.wav: what; remedy", "stereo")


def refused(
    wav: str, *, start: float | None = None, end: float | None = None, channel: int | None = None
) -> tuple[str, str]:
    """Read what cannot be read; return the reason and what was found, of "<wav>: <found>; <remedy>"."""
    with pytest.raises(AudioError) as caught:
        read_audio(wav, start=start, end=end, channel=channel)
    message = str(caught.value)
    assert message.startswith(f"{wav}: ")
    found, _, remedy = message.removeprefix(f"{wav}: ").rpartition("; ")
    assert found and remedy
    return caught.value.reason, found
