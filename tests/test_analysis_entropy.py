"""The commands of Table 8: averages over tokens, for text and speech, made once and put into a table."""

import csv
import json
import shutil
from math import fsum
from pathlib import Path

import pytest
from toy_speech import RATE, make_speech_task, speak, speak_all, write_dump
from toy_task import TRAINING, make_sentences, make_task, write_pairs

from synthst.analysis.entropy import entropy, summarise, write_sentences
from synthst.analysis.table8 import entropy_table, make_row, show_table
from synthst.datadir import read_info
from synthst.errors import ConfigError, DataError
from synthst.espnet.entropy import SentenceEntropies, prefix_entropies
from synthst.espnet.load import load_model
from synthst.espnet.search import encode_sources
from synthst.espnet.speech_encoder import SpeechEncoder
from synthst.espnet.speech_load import load_speech_model
from synthst.espnet.speech_train import train_speech_translator
from synthst.espnet.train import train_model
from synthst.tables import write_table
from synthst.teacher.protocol import SearchSettings

SOURCES = make_sentences(6, seed=7)
TARGETS = make_sentences(6, seed=8)
SEARCH = SearchSettings(max_ratio=1.0, max_extra=3)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    train_model(out=folder / "model", **make_task(folder), labels={"targets": "real", "student": "2x2"})
    write_pairs(folder / "test", list(zip(SOURCES, TARGETS, strict=True)))
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    train_speech_translator(out=folder / "model", **make_speech_task(folder))
    write_pairs(folder / "test", list(zip(SOURCES, TARGETS, strict=True)))
    write_dump(folder / "dump_test", speak_all(SOURCES))
    return folder


def read_json(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def sentences(out: Path) -> list[dict[str, str]]:
    with (out / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_average_is_over_tokens_and_not_over_sentences(tmp_path: Path) -> None:
    write_table(tmp_path / "text.de", [("a", "x"), ("b", "y"), ("c", "z")])
    found = {
        "a": SentenceEntropies([1.0, 2.0, 3.0], [4.0], finished=True),
        "b": SentenceEntropies([6.0], [1.0, 2.0, 1.0], finished=False),
    }
    assert summarise(found, tmp_path / "text.de") == {
        "sentences": 2,
        "too_short": 1,
        "cut_off": 1,
        "reference": {"entropy": 3.0, "tokens": 4},  # 12 / 4, where sentences would give (2 + 6) / 2 = 4
        "own": {"entropy": 2.0, "tokens": 4},
    }
    write_sentences(tmp_path / "sentences.tsv", found)
    assert (tmp_path / "sentences.tsv").read_text().splitlines()[1:] == [
        "a\t3\t2.000000\t1\t4.000000\ttrue",
        "b\t1\t6.000000\t3\t1.333333\tfalse",
    ]
    with pytest.raises(DataError, match="no sentence of it was measured"):
        summarise({}, tmp_path / "text.de")


def test_text_is_measured_along_the_reference_and_the_models_own_output(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "entropy"
    entropy(text / "model", text / "test", out, src="en", tgt="de", search=SEARCH)
    trained = load_model(text / "model")
    wanted = []
    for source, target in zip(SOURCES, TARGETS, strict=True):  # one sentence at a time
        encoded = encode_sources(trained.model, [trained.src_tokenizer.encode(source)])
        prefix = trained.tgt_tokenizer.encode(target)
        model = trained.model
        wanted += prefix_entropies(model.decoder, *encoded, [prefix], sos=model.sos)
    found = read_json(out / "entropy.json")
    tokens = sum(map(len, wanted))
    assert found["reference"] == {
        "entropy": pytest.approx(fsum(map(fsum, wanted)) / tokens, abs=1e-5),
        "tokens": tokens,
    }
    assert found["labels"] == {"targets": "real", "student": "2x2", "seed": str(TRAINING.seed)}
    rows = sentences(out)
    assert [int(row["reference_tokens"]) for row in rows] == list(map(len, wanted))
    own = found["own"]
    assert isinstance(own, dict)
    assert own["tokens"] == sum(int(row["own_tokens"]) for row in rows)
    assert own["entropy"] == pytest.approx(
        sum(int(row["own_tokens"]) * float(row["own_entropy"]) for row in rows) / own["tokens"], abs=1e-5
    )
    assert "nats along the reference" in capsys.readouterr().out


def test_what_was_measured_is_not_measured_again(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "entropy"
    entropy(text / "model", text / "test", out, src="en", tgt="de")
    before = (out / "entropy.json").stat().st_mtime_ns
    entropy(text / "model", text / "test", out, src="en", tgt="de")
    assert (out / "entropy.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="search: .*made otherwise|made otherwise.*search"):
        entropy(text / "model", text / "test", out, src="en", tgt="de", search=SEARCH)
    assert read_info(out)["parents"] == [str(text / "model"), str(text / "test")]


def test_speech_is_measured_as_text_is_and_too_short_audio_left_out(speech: Path, tmp_path: Path) -> None:
    recordings = speak_all(SOURCES)
    recordings["u000002"] = speak("the")[:300]
    audio = write_dump(tmp_path / "dump", recordings)
    out = tmp_path / "entropy"
    entropy(speech / "model", speech / "test", out, src="en", tgt="de", audio=audio, batch_seconds=1.0)
    trained = load_speech_model(speech / "model")
    encoder, wanted = SpeechEncoder(trained.model), {}
    for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        features = encoder.features("one", speak(source))
        assert features is not None
        model, prefix = trained.model, trained.tgt_tokenizer.encode(target)
        [row] = prefix_entropies(model.decoder, *encoder.encode([features]), [prefix], sos=model.sos)
        wanted[f"u{number:06d}"] = row
    del wanted["u000002"]
    rows = sentences(out)
    assert [row["id"] for row in rows] == list(wanted)
    for row, expected in zip(rows, wanted.values(), strict=True):
        assert int(row["reference_tokens"]) == len(expected)
        # the recording went through 16 bits
        assert float(row["reference_entropy"]) == pytest.approx(fsum(expected) / len(expected), abs=1e-2)
    assert read_json(out / "entropy.json")["too_short"] == 1


def test_audio_of_other_utterances_is_refused(speech: Path, tmp_path: Path) -> None:
    audio = write_dump(tmp_path / "dump", speak_all(SOURCES[:5]), rate=RATE)
    with pytest.raises(DataError, match="differ in 1 ids, the first is u000005"):
        entropy(speech / "model", speech / "test", tmp_path / "out", src="en", tgt="de", audio=audio)
    with pytest.raises(ConfigError, match="give --audio"):
        entropy(speech / "model", speech / "test", tmp_path / "out", src="en", tgt="de")


def measured(targets: str, student: str, reference: float, **changes: object) -> dict[str, object]:
    labels = {"targets": targets, "student": student, "subset": "4,000", "seed": "0"}
    found = {"model": "m", "data": "data/test", "src": "en", "tgt": "de", "labels": labels, "sentences": 1000}
    averages = {"reference": {"entropy": reference, "tokens": 9}, "own": {"entropy": 0.5, "tokens": 8}}
    return {**found, **averages, "cut_off": 2, "too_short": 0, **changes}


def write_measured(folder: Path, found: dict[str, object]) -> Path:
    folder.mkdir()
    (folder / "entropy.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def test_the_table_has_the_papers_number_where_it_has_one(tmp_path: Path) -> None:
    rows = [measured("real", "6x6", 2.512), measured("synth", "3x3", 1.75), measured("teacher", "6x6", 2.0)]
    made = [write_measured(tmp_path / f"{number}", row) for number, row in enumerate(rows)]
    entropy_table(made, tmp_path / "table8")
    assert (tmp_path / "table8.md").read_text(encoding="utf-8").splitlines()[2:] == [
        "| real | 6x6 | 4,000 | 1,000 | 2.51 | 0.50 | 2 | 2.40 |",
        "| synth | 3x3 | 4,000 | 1,000 | 1.75 | 0.50 | 2 | - |",
        "| teacher | 6x6 | 4,000 | 1,000 | 2.00 | 0.50 | 2 | - |",
    ]
    assert (tmp_path / "table8.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "targets,student,subset,sentences,reference,own,cut_off,paper",
        'real,6x6,"4,000",1000,2.512,0.5,2,2.4',
    ]
    assert make_row(measured("real", "2x2", 1.0, tgt="ru"))[-1] == 2.6
    assert "\\|" in show_table([["a|b", None, 1.0]])


def test_entropies_of_different_test_sets_are_no_table(tmp_path: Path) -> None:
    one = write_measured(tmp_path / "1", measured("real", "6x6", 2.5))
    other = write_measured(tmp_path / "2", measured("synth", "6x6", 2.5, data="data/other"))
    with pytest.raises(ConfigError, match="2 test sets"):
        entropy_table([one, other], tmp_path / "table8")
    shutil.rmtree(other)
    with pytest.raises(DataError, match="no entropies"):
        entropy_table([one, other], tmp_path / "table8")
