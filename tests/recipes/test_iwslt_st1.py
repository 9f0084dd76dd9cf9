"""The recipe egs/iwslt22_en_de/st1 on every corpus in its own form: one run of all stages, for Table 5."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import RECIPE, Mt1, measured_sentences
from toy import write_settings
from toy_iwslt_st1 import COMMON, DEV, EXTRA, SETTINGS, SIZES, TALKS, make_corpora

from synthst.datadir import read_info
from synthst.tables import read_table

pytestmark = [
    pytest.mark.recipe,
    pytest.mark.skipif(
        importlib.util.find_spec("mweralign") is None, reason="mweralign is an optional extra"
    ),
    pytest.mark.skipif(importlib.util.find_spec("lhotse") is None, reason="lhotse is an optional extra"),
]

IWSLT = RECIPE.parents[1] / "iwslt22_en_de/st1"
STUDENT = "st_6x3_train_synth_asr_restored_indomain_beam4"


class Iwslt(Mt1):
    """The recipe; corpora come from a folder instead of packages."""

    def command(self, *words: str, script: str = "run.sh") -> list[str]:
        """Return the recipe's command, with the toy's corpora and settings."""
        options = {"preset": "mini", "workdir": self.work, "conf": self.folder / "conf", "student": "6x3"}
        options |= {"source": self.folder / "downloads", "iwslt": "tst2010"}
        pairs = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        return [str(self.recipe / script), *pairs, *words]


def read(table: Path) -> dict[str, str]:
    return dict(read_table(table, allow_empty=True))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def iwslt(tmp_path_factory: pytest.TempPathFactory) -> Iwslt:
    """The recipe after a full run."""
    recipe = Iwslt(tmp_path_factory.mktemp("iwslt"), IWSLT)
    make_corpora(recipe.folder / "downloads")
    write_settings(recipe.folder / "conf", SETTINGS)
    recipe.succeed("--targets", "synth_asr", "--teacher", "indomain")
    return recipe


def test_translated_speech_of_four_corpora_is_put_together(iwslt: Iwslt) -> None:
    kept = {name: len(read(iwslt.data / name / "text.de")) for name in SIZES}
    assert kept == SIZES
    together = read_info(iwslt.data / "corpus/train")["counts"]
    assert isinstance(together, dict)
    assert together["kept"] == sum(SIZES.values())  # no test sentence among them, and no bad pair


def test_transcribed_speech_has_no_clip_that_has_a_translation(iwslt: Iwslt) -> None:
    found = {name: len(read(iwslt.data / name / "text.en")) for name in EXTRA}
    assert found == EXTRA
    extra = read(iwslt.data / "train_asr/text.en")
    assert len(extra) == sum(EXTRA.values())
    assert not extra.keys() & read(iwslt.data / "covost/text.en").keys()


def test_capitals_are_restored_before_the_teacher_translates(iwslt: Iwslt) -> None:
    plain, restored = (
        read(iwslt.data / name / "text.en")
        for name in ("train_asr", "train_synth_asr_restored_indomain_beam4_transcripts")
    )
    shouted = [key for key in plain if key.startswith("103-1240-")]
    assert all(plain[key].isupper() for key in shouted) and len(shouted) == EXTRA["librispeech"]
    assert not any(restored[key].isupper() for key in shouted)


def test_translations_of_segments_are_scored_at_the_references_lines(iwslt: Iwslt) -> None:
    for model, lang in ((STUDENT, "de"), ("asr_own", "en")):
        cut, segments = (iwslt.exp / model / f"decode_tst2010{name}" for name in ("", "_segments"))
        references = read(iwslt.data / "corpus/tst2010/text.de")
        assert len(references) == sum(TALKS.values())
        assert read(cut / f"text.{lang}").keys() == references.keys()
        assert len(read(segments / f"text.{lang}")) == 2 + 2  # two sentences each: 4 and 3 of the talks
        for talk in TALKS:
            words = [
                " ".join(
                    line for key, line in sorted(read(place / f"text.{lang}").items()) if f"_{talk}_" in key
                ).split()
                for place in (cut, segments)
            ]
            assert words[0] == words[1]


def test_every_model_is_scored_on_every_test_set(iwslt: Iwslt) -> None:
    for name, lines in (("dev", DEV), ("tst-COMMON", COMMON), ("tst2010", sum(TALKS.values()))):
        for model in (STUDENT, "teacher_indomain"):
            assert read_json(iwslt.exp / model / f"decode_{name}/scores.json")["sentences"] == lines
        assert read_json(iwslt.exp / f"asr_own/decode_{name}/wer.json")["utterances"] == lines
    results = (iwslt.work / "RESULTS.md").read_text(encoding="utf-8")
    assert measured_sentences(iwslt.exp / STUDENT, "tst-COMMON") == COMMON
    assert not (iwslt.exp / STUDENT / "analysis/entropy_tst2010").exists()  # its speech has other lines
    assert "IWSLT 2022, en-de, preset mini" in results and "recogniser asr_own, tst2010: WER|" in results


def test_the_student_begins_as_the_recogniser_and_learns_from_all_speech(iwslt: Iwslt) -> None:
    part = read_json(iwslt.exp / STUDENT / "init.json")["parts"]["encoder"]
    assert part["checksum_after"] == part["checksum_of_origin"] != part["checksum_before"]
    trained = read_json(iwslt.exp / STUDENT / "train.json")["train_sentences"]
    translated = read_info(iwslt.data / "corpus/train")["counts"]
    assert isinstance(translated, dict)
    assert trained == translated["kept"] + sum(EXTRA.values())


@pytest.mark.parametrize("table", ["table5", "table5_mustc"])
def test_the_tables_of_the_paper_are_planned(table: str) -> None:
    path = IWSLT / f"experiments/{table}.yaml"
    program = Path(sys.executable).with_name("synthst")
    command = [program, "table", path, "--preset", "mini", "--dry_run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.split("\n") if line.startswith("to do")]) == 4


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            ["--st", "mustc covost3"],
            "--st has 'covost3', wanted are some of: mustc st_ted covost europarl_st",
        ),
        (["--asr_only", "ted"], "--asr_only has 'ted', wanted are some of: librispeech tedlium"),
        (["--teacher", "general"], "--teacher is 'general', wanted is one of: own indomain"),
    ],
)
def test_run_sh_refuses_wrong_options_before_any_work(tmp_path: Path, words: list[str], wanted: str) -> None:
    done = Iwslt(tmp_path, IWSLT).run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"run.sh: {wanted}")
    assert not list(tmp_path.iterdir())


def test_all_corpora_that_are_not_there_are_asked_for_at_once(tmp_path: Path) -> None:
    recipe = Iwslt(tmp_path, IWSLT)
    write_settings(tmp_path / "conf", SETTINGS)
    done = recipe.run("--stop_stage", "1")
    assert done.returncode == 1 and "files of 11 corpora are not there" in done.stderr
    for name in ("dev", "tst-COMMON", "tst2010", *SIZES, *EXTRA):
        assert f"\n  {name}: {tmp_path}/downloads/" in done.stderr
    assert "fill in the form at https://mt.fbk.eu/must-c/" in done.stderr
    assert not recipe.work.exists()


def teacher_data(tmp_path: Path, *words: str) -> str:
    """Return what the in-domain teacher learns from, by the commands that the recipe would run."""
    done = Iwslt(tmp_path, IWSLT).run("--teacher", "indomain", *words, "--dry_run")
    (command,) = [line.split() for line in done.stdout.split("\n") if "--init" in line and "teacher" in line]
    return command[command.index("--data") + 1]


def test_the_in_domain_teacher_learns_from_must_c_alone(tmp_path: Path) -> None:
    write_settings(tmp_path / "conf", SETTINGS)
    data = tmp_path / "work/data/en-de-mini"
    assert teacher_data(tmp_path) == str(data / "mustc_real")
    assert teacher_data(tmp_path, "--st", "st_ted covost") == str(
        data / "corpus/train"
    )  # without MuST-C, all


def commands(tmp_path: Path, *words: str) -> list[str]:
    """Return the commands that the recipe would run."""
    done = Iwslt(tmp_path, IWSLT).run(*words, "--dry_run")
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n").split("\n")


@pytest.mark.parametrize("targets", ["real", "synth"])
@pytest.mark.parametrize("asr", ["espnet:DIR", "FILE.pth"])
def test_speech_that_nothing_learns_from_is_not_asked_for(tmp_path: Path, targets: str, asr: str) -> None:
    together = "\n".join(commands(tmp_path, "--targets", targets, "--asr", asr))
    for name in (*EXTRA, "train_asr", "transcripts", "tokenizers_asr", "train_restorer"):
        assert name not in together
    together = "\n".join(commands(tmp_path, "--targets", "synth_asr", "--asr", asr))
    for name in (*EXTRA, "train_asr", "train_restorer"):
        assert name in together
    assert "tokenizers_asr" not in together


def test_a_recogniser_may_learn_from_the_translated_speech_alone(tmp_path: Path) -> None:
    told = commands(tmp_path, "--targets", "real", "--asr_only", "none")
    assert not [line for line in told if any(name in line for name in (*EXTRA, "train_asr"))]
    (recogniser,) = [line for line in told if "train_recogniser" in line]
    assert f"--audio \\[{tmp_path}/work/dump/en-de-mini/train\\]" in recogniser
    done = Iwslt(tmp_path, IWSLT).run("--targets", "synth_asr", "--asr_only", "none", "--dry_run")
    assert done.returncode == 2 and "synth_asr wants speech that has only transcripts" in done.stderr


def test_the_in_domain_teacher_has_learnt_from_must_c_alone(iwslt: Iwslt) -> None:
    assert read_json(iwslt.exp / "teacher_indomain/train.json")["train_sentences"] == SIZES["mustc"]
