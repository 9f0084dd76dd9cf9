"""The recipe egs/libreoffice/st1 end to end: fair comparison, verified start, expansion, word error rate."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Mt1

from synthst.datadir import read_info
from synthst.tables import read_table

pytestmark = pytest.mark.recipe

STUDENTS = {
    "real": "st_6x3_train_real",
    "synth": "st_6x3_train_synth_own_beam4",
    "synth_asr": "st_6x3_train_synth_asr_indomain_beam4",
}


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def ids(table: Path) -> list[str]:
    return [key for key, _ in read_table(table, allow_empty=True)]


def test_every_student_decodes_every_utterance_of_the_test_set(st1: Mt1) -> None:
    wanted = ids(st1.data / "corpus/test/text.de")
    assert len(wanted) == 12
    for student in STUDENTS.values():
        decoded = st1.exp / student / "decode_test"
        assert ids(decoded / "text.de") == wanted
        assert read_json(decoded / "decode.json")["sentences"] == 12
        assert (decoded / "scores.json").is_file()
    assert ids(st1.exp / "asr_own/decode_test/text.en") == wanted
    assert read_json(st1.exp / "asr_own/decode_test/wer.json")["utterances"] == 12


def test_students_share_audio_steps_and_settings_and_differ_in_their_targets(st1: Mt1) -> None:
    reports = {name: read_json(st1.exp / student / "train.json") for name, student in STUDENTS.items()}
    assert {report["steps"] for report in reports.values()} == {12}
    assert [report["train_sentences"] for report in reports.values()] == [60, 60, 100]
    settings = [report["settings"] for report in reports.values()]
    for key in ("model", "training", "init", "valid_tokens"):
        assert len({json.dumps(one[key]) for one in settings}) == 1
    assert settings[0]["audio"] == settings[1]["audio"]
    real, synth = (st1.data / f"tokens_{name}" for name in ("train", "train_synth_own_beam4"))
    for name in ("ids.txt", "en.tokens"):
        assert (real / name).read_bytes() == (synth / name).read_bytes()
    assert (real / "de.tokens").read_bytes() != (synth / "de.tokens").read_bytes()


def test_every_encoder_begins_as_the_recognisers(st1: Mt1) -> None:
    for student in STUDENTS.values():
        proof = read_json(st1.exp / student / "init.json")
        encoder, decoder = proof["parts"]["encoder"], proof["untouched"]["decoder"]
        assert encoder["checksum_after"] == encoder["checksum_of_origin"] != encoder["checksum_before"]
        assert decoder["checksum_after"] == decoder["checksum_before"]


def test_speech_with_transcripts_only_is_expanded_with_the_in_domain_teachers_targets(st1: Mt1) -> None:
    expanded = st1.data / "train_synth_asr_indomain_beam4"
    assert {path.name for path in expanded.iterdir()} >= {"text.en", "text.de", "wav.scp", "utt2spk"}
    added = set(ids(expanded / "text.de")) - set(ids(st1.data / "corpus/train/text.de"))
    assert added == set(ids(st1.data / "corpus/train_asr/text.en"))
    assert not (st1.data / "corpus/train_asr/text.de").exists()
    counts = read_info(expanded)["counts"]
    assert isinstance(counts, dict) and (counts["base"], counts["kept"]) == (60, 40)


def test_audio_is_dumped_once_for_all_targets_with_copies_at_other_speeds(st1: Mt1) -> None:
    for name, speeds in (("train", 2), ("train_asr", 2), ("dev", 1), ("test", 1)):
        dumped, spoken = st1.work / "dump/en-de-mini" / name, st1.data / "corpus" / name
        assert len(ids(dumped / "wav.scp")) == speeds * len(ids(spoken / "wav.scp")) > 0


def test_results_tell_scores_and_the_word_error_rate(st1: Mt1) -> None:
    results = (st1.work / "RESULTS.md").read_text(encoding="utf-8")
    for words in (
        "| real |",
        "| synth by own |",
        "| synth_asr by indomain |",
        "recogniser asr_own, test: WER|",
    ):
        assert words in results


def test_a_second_run_makes_nothing_again(st1: Mt1) -> None:
    told = st1.succeed("--targets", "synth", "--stop_stage", "10")
    assert "is there already" in told and "validation" not in told
