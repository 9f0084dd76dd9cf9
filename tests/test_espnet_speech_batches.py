"""Recordings are joined to tokens by id, and batched by their lengths alone."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_speech import RATE, make_speech_task, speak, speak_all, write_dump
from toy_task import make_sentences, write_pairs

from synthst.errors import ConfigError, DataError
from synthst.espnet.batches import TrainingBatches, ValidationBatches
from synthst.espnet.speech_batches import (
    SpokenSentences,
    join_audio,
    pad_audio,
    read_spoken,
    refuse_short,
    refuse_two_rates,
)
from synthst.tokens import write_tokens

UTTERANCES = 12
SENTENCES = make_sentences(UTTERANCES, seed=0)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make_speech_task(tmp_path_factory.mktemp("task"), utterances=UTTERANCES)


@pytest.fixture(scope="module")
def slow(task: dict[str, Any]) -> Path:
    """Make a dump of copies at 0.9 times the speed."""
    copies = speak_all(SENTENCES, speed=0.9, prefix="sp0.9-")
    sources = {key: key.removeprefix("sp0.9-") for key in copies}
    return write_dump(task["tokens"].parent / "dump_slow", copies, sources)


def test_copies_have_the_tokens_of_their_source(task: dict[str, Any], slow: Path) -> None:
    dataset = read_spoken(task["tokens"], [*task["audio"], slow], {"text": "de", "src_text": "en"})
    assert len(dataset.spoken.ids) == 2 * UTTERANCES and dataset.spoken.ids == sorted(dataset.spoken.ids)
    for number, key in enumerate(dataset.spoken.ids):
        row = int(key[-6:])
        ids, batch = dataset[[number]]
        assert ids == [key]
        assert batch["text"][0].tolist() == dataset.texts["text"][row].tolist()
        assert batch["src_text"][0].tolist() == dataset.texts["src_text"][row].tolist()
        wanted = speak(SENTENCES[row], speed=0.9 if key.startswith("sp0.9") else 1.0)
        assert batch["speech_lengths"].tolist() == [len(wanted)]
        torch.testing.assert_close(batch["speech"][0], torch.from_numpy(wanted), atol=2**-15, rtol=0)


def test_a_batch_is_padded_with_silence_and_ignored_tokens(task: dict[str, Any]) -> None:
    dataset = read_spoken(task["tokens"], task["audio"], {"text": "de"})
    order = np.argsort(dataset.spoken.samples, kind="stable")
    _, batch = dataset[[order[0], order[-1]]]
    short = int(dataset.spoken.samples[order[0]])
    assert batch["speech"].dtype == torch.float32
    assert batch["speech_lengths"].tolist() == [short, int(dataset.spoken.samples[order[-1]])]
    assert not batch["speech"][0, short:].any() and batch["speech"].size(1) > short
    assert (batch["text"][0] == -1).sum() == batch["text"].size(1) - batch["text_lengths"][0]
    assert batch.keys() == {"speech", "speech_lengths", "text", "text_lengths"}


def test_padding_keeps_the_longest_whole() -> None:
    padded, lengths = pad_audio([np.ones(2, np.float32), np.full(3, 2.0, np.float32)])
    assert padded.tolist() == [[1, 1, 0], [2, 2, 2]] and lengths.tolist() == [2, 3]


def test_recordings_of_other_utterances_are_left_out(
    task: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    extra = write_dump(tmp_path / "extra", {"x1": speak("cat"), "x2": speak("dog")})
    spoken = join_audio(task["tokens"], [*task["audio"], extra])
    assert not {"x1", "x2"} & set(spoken.ids)
    assert f"{UTTERANCES} recordings of {UTTERANCES} utterances" in caplog.text
    assert "2 recordings of others left out" in caplog.text


def test_an_utterance_without_audio_stops_the_run(task: dict[str, Any], tmp_path: Path) -> None:
    some = {key: speech for key, speech in speak_all(SENTENCES).items() if key not in ("u000003", "u000007")}
    dump = write_dump(tmp_path / "some", some)
    with pytest.raises(
        DataError, match=rf"some lacks 2 of {UTTERANCES} utterances of .*first is u000003; dump"
    ):
        join_audio(task["tokens"], [dump])


def test_a_recording_in_two_dumps_stops_the_run(task: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="has u000000, which another of"):
        join_audio(task["tokens"], task["audio"] * 2)


def test_two_rates_stop_the_run(task: dict[str, Any], tmp_path: Path) -> None:
    other = write_dump(tmp_path / "other", {"x": speak("cat")}, rate=16_000)
    with pytest.raises(ConfigError, match="dump_train has audio at 8000 Hz, .*other at 16000 Hz"):
        join_audio(task["tokens"], [*task["audio"], other])
    refuse_two_rates({8000: tmp_path})


def test_no_audio_stops_the_run(task: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no directory of audio is given"):
        join_audio(task["tokens"], [])


def test_tokens_without_ids_stop_the_run(task: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ids.txt cannot be read: .*stage 6"):
        join_audio(tmp_path, task["audio"])


def test_short_recordings_are_named(task: dict[str, Any], tmp_path: Path) -> None:
    spoken = join_audio(task["tokens"], task["audio"])
    shortest = int(spoken.samples.min())
    refuse_short(spoken, shortest)
    with pytest.raises(DataError, match=rf"of {UTTERANCES} recordings are shorter than the 0.120 s .* is u0"):
        refuse_short(spoken, int(0.12 * RATE) + 1)


@pytest.mark.parametrize("change", ["cut", "other rate"])
def test_audio_that_is_not_what_its_tables_say_stops_the_run(
    task: dict[str, Any], tmp_path: Path, change: str
) -> None:
    import soundfile

    dump = Path(shutil.copytree(task["audio"][0], tmp_path / "dump"))
    table = (dump / "wav.scp").read_text(encoding="utf-8").replace(str(task["audio"][0]), str(dump))
    (dump / "wav.scp").write_text(table, encoding="utf-8")
    dataset = read_spoken(task["tokens"], [dump], {"text": "de"})
    samples, rate = soundfile.read(dataset.spoken.wav[0], dtype="float32")
    samples, rate = (samples[:-1], rate) if change == "cut" else (samples, 16_000)
    soundfile.write(dataset.spoken.wav[0], samples, rate)
    with pytest.raises(
        DataError, match=rf"u000000.wav has {len(samples):,} samples at {rate} Hz, its tables"
    ):
        dataset[[0]]


def batches_of(dataset: SpokenSentences, *, workers: int = 0, seed: int = 1) -> list[list[str]]:
    options = {"batch_tokens": 2 * RATE, "steps_per_epoch": 9, "max_steps": 20, "seed": seed}
    factory: Any = TrainingBatches(dataset, workers=workers, **options)  # type: ignore[arg-type]
    return [ids for epoch in (1, 2, 3) for ids, _ in factory.build_iter(epoch)]


def test_students_that_share_audio_share_batches_whatever_their_targets(
    task: dict[str, Any], tmp_path: Path
) -> None:
    longer = [(sentence, f"{sentence} {sentence} {number}") for number, sentence in enumerate(SENTENCES)]
    write_pairs(tmp_path / "data", longer)
    write_tokens(tmp_path / "data", tmp_path / "tokens", langs=["en", "de"], tokenizers=task["tokenizers"])
    ours = batches_of(read_spoken(task["tokens"], task["audio"], {"text": "de"}))
    assert ours == batches_of(read_spoken(tmp_path / "tokens", task["audio"], {"text": "de"}))
    assert len(ours) == 20 and {key for batch in ours for key in batch} == set(speak_all(SENTENCES))


def test_neither_workers_nor_the_order_of_dumps_change_batches(task: dict[str, Any], slow: Path) -> None:
    dumps = [*task["audio"], slow]
    ours = batches_of(read_spoken(task["tokens"], dumps, {"text": "de"}))
    assert ours == batches_of(read_spoken(task["tokens"], dumps[::-1], {"text": "de"}), workers=1)
    assert ours != batches_of(read_spoken(task["tokens"], dumps, {"text": "de"}), seed=2)


def test_no_batch_is_longer_than_its_budget(task: dict[str, Any]) -> None:
    dataset: Any = read_spoken(task["tokens"], task["audio"], {"text": "de"})
    factory: Any = ValidationBatches(dataset, batch_tokens=2 * RATE)
    sizes = [batch["speech"].numel() for _, batch in factory.build_iter(1)]
    assert len(sizes) > 1 and max(sizes) <= 2 * RATE
    assert sum(len(batch) for batch in factory.batches) == UTTERANCES
