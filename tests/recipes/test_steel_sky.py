"""The recipe egs/steel_sky/st1 end to end: a kill and a resume, in-domain teacher, expansion, both starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SPEECH_RECIPE, Mt1, measured_sentences
from toy import write_settings
from toy_steel_sky import LINES, PROMPTS, SETTINGS, SPEAK, make_all_packages, turn_round

from synthst.datadir import read_info
from synthst.tables import read_table

pytestmark = pytest.mark.recipe

RECIPE = SPEECH_RECIPE.parents[1] / "steel_sky/st1"
NAME = "train_synth_asr_indomain_beam4"
OPTIONS = ("--targets", "synth_asr", "--teacher", "indomain", "--mt", "own")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read(table: Path) -> dict[str, str]:
    return dict(read_table(table, allow_empty=True))


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Mt1:
    """The recipe after a run that was killed while the student was trained, and then went on."""
    recipe = Mt1(tmp_path_factory.mktemp("sky"), RECIPE, {"student": "6x3"})
    make_all_packages(recipe.folder / "debs")
    write_settings(recipe.folder / "conf", SETTINGS)
    training = student(recipe).with_name(f"{student(recipe).name}.training")
    recipe.succeed(*OPTIONS, "--stop_stage", "7")
    recipe.kill_when((training / "1epoch.pth").exists, *OPTIONS, "--stage", "8")
    assert training.exists() and not student(recipe).exists()
    recipe.succeed(*OPTIONS, "--stage", "8")
    return recipe


def student(recipe: Mt1) -> Path:
    return recipe.exp / f"st_6x3_{NAME}_mt_own"


def test_the_games_lines_become_speech_with_translations(sky: Mt1) -> None:
    sizes = {
        "train": 60,
        "dev": 12,
        "test": 12,
    }  # twelve lines in each of the sections 0, 2, 3, 4 and 6; 1; 5
    for name, size in sizes.items():
        english, german = (read(sky.data / f"corpus/{name}/text.{lang}") for lang in ("en", "de"))
        assert len(german) == size == len(read(sky.data / f"corpus/{name}/wav.scp"))
        assert {key: turn_round(line) for key, line in english.items()} == german
    assert sum(sizes.values()) == sum(LINES.values())


def test_speech_with_transcripts_only_is_prompts_and_spoken_wesnoth(sky: Mt1) -> None:
    extra = sky.data / "train_asr"
    origins = [key.partition("_")[0] for key in read(extra / "text.en")]
    assert (origins.count("asterisk"), origins.count("wesnoth")) == (PROMPTS, SPEAK)
    assert len(origins) == PROMPTS + SPEAK and not (extra / "text.de").exists()


def test_the_in_domain_teacher_translates_all_speech_but_the_test_set(sky: Mt1) -> None:
    assert read_json(sky.exp / "teacher_indomain/train.json")["steps"] == 20
    expanded, base = sky.data / NAME, sky.data / "train_synth_indomain_beam4"
    counts = read_info(expanded)["counts"]
    assert isinstance(counts, dict) and (counts["base"], counts["kept"]) == (60, PROMPTS + SPEAK)
    translated = read(expanded / "text.de")
    assert read(base / "text.de").items() <= translated.items()
    added = translated.keys() - read(base / "text.de").keys()
    assert added == read(sky.data / "train_asr/text.en").keys()


def test_a_killed_training_went_on_to_a_whole_student(sky: Mt1) -> None:
    log = (student(sky) / "train.log").read_text(encoding="utf-8")
    assert [log.count(f"{epoch}/3epoch started") for epoch in (1, 3)] == [1, 1]
    report = read_json(student(sky) / "train.json")
    assert (report["steps"], report["train_sentences"]) == (12, 60 + PROMPTS + SPEAK)
    leftovers = [
        path for path in sky.work.rglob("*") if ".tmp" in path.name or path.name.endswith(".training")
    ]
    assert not leftovers


def test_encoder_and_decoder_begin_as_the_recognisers_and_the_text_students(sky: Mt1) -> None:
    proof = read_json(student(sky) / "init.json")
    origins = {"encoder": sky.exp / "asr_own/model.pth", "decoder": sky.exp / f"mt_6x3_{NAME}/model.pth"}
    assert {part: Path(found["path"]) for part, found in proof["parts"].items()} == origins
    for part in proof["parts"].values():
        assert part["checksum_after"] == part["checksum_of_origin"] != part["checksum_before"]


def test_the_test_set_is_decoded_by_all_and_scored(sky: Mt1) -> None:
    wanted = list(read(sky.data / "corpus/test/text.de"))
    for model in (student(sky), sky.exp / f"mt_6x3_{NAME}", sky.exp / "teacher_indomain"):
        assert list(read(model / "decode_test/text.de")) == wanted
        assert (model / "decode_test/scores.json").is_file()
    assert measured_sentences(student(sky)) == len(wanted)
    assert list(read(sky.exp / "asr_own/decode_test/text.en")) == wanted
    results = (sky.work / "RESULTS.md").read_text(encoding="utf-8")
    for words in ("Beneath a Steel Sky, en-de, preset mini", "recogniser asr_own, test: WER|"):
        assert words in results
    for row in ("| synth_asr by indomain |", "| synth_asr by indomain, decoder of mt own |"):
        assert row in results


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--langs", "en-ru"], "--langs is 'en-ru', wanted is one of: en-de en-es en-fr en-it"),
        (["--mt", "ct2:x"], "--mt is 'ct2:x', wanted is one of: none own espnet:*"),
    ],
)
def test_run_sh_refuses_wrong_options_before_any_work(tmp_path: Path, words: list[str], wanted: str) -> None:
    done = Mt1(tmp_path, RECIPE, {"student": "6x3"}).run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"run.sh: {wanted}\n")
    assert not list(tmp_path.iterdir())
