"""Training a restorer from tables of text, and how well it does."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from speech_data import write_speech
from test_restorer import SMALL, TEXTS

from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.tables import read_table, write_table
from synthst.targets.asr_only import select_transcripts
from synthst.targets.restorer import Restorer
from synthst.targets.train_restorer import score_restorer, train_restorer


class Parrot(Restorer):
    """Restore as it is told."""

    def __init__(self, restored: Sequence[str]) -> None:
        self.restored = list(restored)
        self.asked: list[str] = []

    def restore(self, texts: Sequence[str]) -> list[str]:
        self.asked += texts
        return self.restored


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    write_table(path, [(f"u{number:04d}", text) for number, text in enumerate(texts)])
    return path


def test_scores_are_those_of_the_definition() -> None:
    parrot = Parrot(["Open it, NATO.", "Is 3 true.", "yes"])
    scores = score_restorer(parrot, ["Open it, Nato!", "– Is 3, true.", "...", "Yes"])
    assert parrot.asked == ["open it nato", "is 3 true", "yes"]
    assert scores == {
        "sentences": 3,
        "sentences_right": 0,
        "words": 6,
        "case": 4 / 6,  # Open it Is true, not Nato and Yes; 3 has no case
        "case_small": 2 / 6,  # it true
        "case_first": 5 / 6,  # all but Nato
        "marks": {
            ",": {"precision": 1.0, "recall": 0.5, "count": 2},
            ".": {"precision": 0.5, "recall": 1.0, "count": 1},
            "!": {"precision": 0.0, "recall": 0.0, "count": 1},
        },
    }


def test_a_sentence_is_right_when_all_its_words_are() -> None:
    assert score_restorer(Parrot(["Open it.", "so."]), ["Open it.", "So."])["sentences_right"] == 1


def test_training_writes_the_restorer_and_its_accuracy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = write_texts(tmp_path / "text.en", [*TEXTS, "...", TEXTS[0]])
    with caplog.at_level("INFO", "synthst"):
        train_restorer([text], tmp_path / "out", test=[text], options=SMALL)
        train_restorer([text], tmp_path / "out", test=[text], options=SMALL)
    info = read_info(tmp_path / "out")
    assert info["counts"] == {"train": len(TEXTS), "held_out": len(TEXTS)}
    assert info["accuracy"]["case"] == 1.0  # type: ignore[index]
    assert info["parents"] == [str(text), str(text)]
    assert "100.0% of 120 words have the right case" in caplog.text
    assert "is there already" in caplog.text
    with pytest.raises(DataError, match="was made otherwise"):
        train_restorer([text], tmp_path / "out", options=SMALL)


def test_without_a_test_set_sentences_are_held_out(tmp_path: Path) -> None:
    texts = [f"This is Sentence {number}." for number in range(100)]
    text = write_texts(tmp_path / "text.en", texts)
    train_restorer(text, tmp_path / "out", options=SMALL)
    assert read_info(tmp_path / "out")["counts"] == {"train": 95, "held_out": 5}


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["...", "–"], "no sentence to learn from"),
        (["open the menu.", "close it.", "Fine."], "have no capital"),
        (["Open the menu"] * 9 + ["Close the menu"], "hardly a sentence has punctuation"),
    ],
)
def test_text_that_can_teach_nothing_is_refused(tmp_path: Path, texts: list[str], told: str) -> None:
    text = write_texts(tmp_path / "text.en", texts)
    with pytest.raises(DataError, match=told):
        train_restorer([text], tmp_path / "out", test=[text], options=SMALL)
    assert not (tmp_path / "out").exists()


def test_transcripts_are_restored_by_a_trained_restorer_and_kept_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = write_texts(tmp_path / "text.en", TEXTS)
    train_restorer([text], tmp_path / "restorer", test=[text], options=SMALL)
    transcripts = {"a": "IS THE MENU A PDF FILE", "b": "Stay, please."}
    data = write_speech(tmp_path / "data", dict.fromkeys(transcripts, 1.0), texts=transcripts)
    select_transcripts(
        data, tmp_path / "out", src="en", source_case="restore", restorer=str(tmp_path / "restorer")
    )
    assert dict(read_table(tmp_path / "out/text.en")) == {
        "a": "Is the menu a PDF file?",
        "b": "Stay, please.",
    }
    info = read_info(tmp_path / "out")
    assert info["counts"]["restored"] == 1 and info["counts"]["restored_reworded"] == 0  # type: ignore[index]
    restorer = info["made_by"]["restorer"]  # type: ignore[index]
    assert restorer["path"] == str(tmp_path / "restorer") and len(restorer["sha256"]) == 64
    assert "lack case" not in caplog.text
    select_transcripts(data, tmp_path / "kept", src="en")
    assert dict(read_table(tmp_path / "kept/text.en")) == transcripts


def test_transcripts_that_lack_case_are_kept_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {"a": "hello there", "b": "good day", "c": "Stop."}
    data = write_speech(tmp_path / "data", dict.fromkeys(texts, 1.0), texts=texts)
    select_transcripts(data, tmp_path / "out", src="en")
    assert "of 3 texts 2 lack case and 2 punctuation" in caplog.text


@pytest.mark.parametrize(
    ("policy", "restorer", "error", "told"),
    [
        ("restore", None, ConfigError, "no restorer is given"),
        ("keep", "cat", ConfigError, "source_case is keep; say restore"),
        ("mend", "cat", ConfigError, "give keep or restore"),
        ("restore", ".", DataError, "holds no restorer; train_restorer makes one"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    tmp_path: Path, policy: str, restorer: str | None, error: type[Exception], told: str
) -> None:
    data = write_speech(tmp_path / "data", {"a": 1.0})
    with pytest.raises(error, match=told):
        select_transcripts(data, tmp_path / "out", src="en", source_case=policy, restorer=restorer)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
