"""The recipe egs/libreoffice/st1 end to end: fair comparison, verified start, word error rate, nothing twice.

The teacher is a file; test_steel_sky.py, of the same stages, has those that stage 2 trains, and expansion.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import SPEECH_RECIPE, Mt1, measured_sentences
from toy import SPEECH_SETTINGS, make_packages, write_settings

from synthst.tables import read_table

pytestmark = pytest.mark.recipe


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def ids(table: Path) -> list[str]:
    return [key for key, _ in read_table(table, allow_empty=True)]


@dataclass(frozen=True)
class St1(Mt1):
    """The recipe, and its teacher: a file of translations made elsewhere."""

    @property
    def teacher(self) -> Path:
        """Where the translations are."""
        return self.folder / "elsewhere.tsv"

    @property
    def synth(self) -> str:
        """Name the training set with the teacher's targets."""
        return f"train_synth_{re.sub('[^A-Za-z0-9.-]', '_', f'file:{self.teacher}')}_beam4"

    @property
    def students(self) -> dict[str, Path]:
        """Return the students' directories by their targets."""
        names = {"real": "train_real", "synth": self.synth}
        return {targets: self.exp / f"st_6x3_{name}" for targets, name in names.items()}


@pytest.fixture(scope="module")
def st1(tmp_path_factory: pytest.TempPathFactory) -> St1:
    """The recipe after full runs for real and synth; second.log is what the second told."""
    recipe = St1(tmp_path_factory.mktemp("st1"), SPEECH_RECIPE, {"student": "6x3"})
    make_packages(recipe.folder / "debs")
    write_settings(recipe.folder / "conf", SPEECH_SETTINGS)
    recipe.succeed("--targets", "real")
    sources = sorted(set(dict(read_table(recipe.data / "corpus/train/text.en")).values()))
    rows = "".join(f"{source}\t{source[::-1]}\n" for source in sources)
    recipe.teacher.write_text(f"source\thypothesis\n{rows}", encoding="utf-8")
    told = recipe.succeed("--targets", "synth", "--teacher", f"file:{recipe.teacher}")
    (recipe.folder / "second.log").write_text(told, encoding="utf-8")
    return recipe


def test_every_student_decodes_every_utterance_of_the_test_set(st1: St1) -> None:
    wanted = ids(st1.data / "corpus/test/text.de")
    assert len(wanted) == 12
    for student in st1.students.values():
        decoded = student / "decode_test"
        assert ids(decoded / "text.de") == wanted
        assert read_json(decoded / "decode.json")["sentences"] == 12
        assert (decoded / "scores.json").is_file()
    assert ids(st1.exp / "asr_own/decode_test/text.en") == wanted
    assert read_json(st1.exp / "asr_own/decode_test/wer.json")["utterances"] == 12


def test_students_share_audio_steps_and_settings_and_differ_in_their_targets(st1: St1) -> None:
    reports = [read_json(student / "train.json") for student in st1.students.values()]
    assert [(report["steps"], report["train_sentences"]) for report in reports] == [(12, 60), (12, 60)]
    real, synth = (report["settings"] for report in reports)
    assert [key for key in real if real[key] != synth[key]] == ["tokens"]
    real, synth = (st1.data / f"tokens_{name}" for name in ("train", st1.synth))
    for name in ("ids.txt", "en.tokens"):
        assert (real / name).read_bytes() == (synth / name).read_bytes()
    assert (real / "de.tokens").read_bytes() != (synth / "de.tokens").read_bytes()


def test_every_encoder_begins_as_the_recognisers(st1: St1) -> None:
    for student in st1.students.values():
        proof = read_json(student / "init.json")
        encoder, decoder = proof["parts"]["encoder"], proof["untouched"]["decoder"]
        assert encoder["checksum_after"] == encoder["checksum_of_origin"] != encoder["checksum_before"]
        assert decoder["checksum_after"] == decoder["checksum_before"]


def test_audio_is_dumped_once_for_all_targets_with_copies_at_other_speeds(st1: St1) -> None:
    for name, speeds in (("train", 2), ("train_asr", 2), ("dev", 1), ("test", 1)):
        dumped, spoken = st1.work / "dump/en-de-mini" / name, st1.data / "corpus" / name
        assert len(ids(dumped / "wav.scp")) == speeds * len(ids(spoken / "wav.scp")) > 0


def test_results_tell_scores_and_the_word_error_rate(st1: St1) -> None:
    results = (st1.work / "RESULTS.md").read_text(encoding="utf-8")
    taught = st1.synth.removeprefix("train_synth_").removesuffix("_beam4")
    for words in ("| real |", f"| synth by {taught} |", "recogniser asr_own, test: WER|"):
        assert words in results
    for student in st1.students.values():
        assert measured_sentences(student) == 12


def test_a_second_run_makes_corpus_audio_and_recogniser_not_again(st1: St1) -> None:
    told = stages((st1.folder / "second.log").read_text(encoding="utf-8"))
    made = [title for title, lines in told.items() if "is there already" not in lines]
    taught = ["2: teacher", "3: decode the training set", "4: replace targets", f"6: tokens of {st1.synth}"]
    assert made == [
        *taught,
        "8: train the student",
        "10: translate its transcripts",
        "11: score",
        "12: entropy on test",
        "13: pack the student",
    ]
    assert "asr_own/decode_test is there already" in told["10: decode the test set"]
    assert "its test sets are not decoded" in told["10: translate its transcripts"]  # the teacher is a file


def stages(log: str) -> dict[str, str]:
    """Return what each command told, by number and title."""
    _, *parts = re.split(r"^\d\d:\d\d:\d\d stage ", log, flags=re.MULTILINE)
    return {title: lines for title, _, lines in (part.partition("\n") for part in parts)}
