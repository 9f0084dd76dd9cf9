"""The recipe egs/wesnoth/mt1 end to end: domains apart, proven fine-tuning, teachers, test sets."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import RECIPE, Mt1, measured_sentences
from toy import write_settings
from toy_wesnoth import SETTINGS, make_domains

from synthst.datadir import read_info
from synthst.tables import read_table
from synthst.targets.filters.words import normalise

pytestmark = pytest.mark.recipe

WESNOTH = RECIPE.parents[1] / "wesnoth/mt1"
DOMAINS = ("libreoffice", "descriptions", "handbook", "wesnoth")
BEGUN = "mt_2x2_help_120_synth_general_beam4"
TUNED = f"{BEGUN}_then_wesnoth_synth_indomain_beam4"
SCRATCH = "mt_2x2_wesnoth_real"
TEST_SETS = ("--test_sets", "[test, ../handbook/test]")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def texts(directory: Path, lang: str = "en") -> dict[str, str]:
    return dict(read_table(directory / f"text.{lang}", allow_empty=True))


def keys(*directories: Path) -> set[str]:
    return {
        normalise(text) for one in directories for lang in ("en", "de") for text in texts(one, lang).values()
    }


@pytest.fixture(scope="module")
def wesnoth(tmp_path_factory: pytest.TempPathFactory) -> Mt1:
    """The recipe after a student of synthetic targets twice, and one from scratch on references."""
    recipe = Mt1(tmp_path_factory.mktemp("wesnoth"), WESNOTH, {"subset": "120"})
    make_domains(recipe.folder / "debs")
    write_settings(recipe.folder / "conf", SETTINGS)
    recipe.succeed("--teacher", "indomain", *TEST_SETS)
    recipe.succeed("--pretrained", "none", "--targets", "real", *TEST_SETS)
    return recipe


def test_no_training_set_has_a_text_of_any_dev_or_test_set(wesnoth: Mt1) -> None:
    held_out = keys(*(wesnoth.data / domain / name for domain in DOMAINS for name in ("dev", "test")))
    for name in ("general", "help", "wesnoth_real", "help_120_real"):
        assert not keys(wesnoth.data / name) & held_out
    counts = read_info(wesnoth.data / "general")["counts"]
    assert isinstance(counts, dict)
    assert counts["dropped_overlap"] == len(texts(wesnoth.data / "general_all")) - counts["kept"] > 0


def test_the_student_begins_with_every_tensor_of_the_one_before(wesnoth: Mt1) -> None:
    proof = read_json(wesnoth.exp / TUNED / "init.json")
    assert proof["untouched"] == {}
    for part in proof["parts"].values():
        assert part["path"] == str(wesnoth.exp / BEGUN / "model.pth")
        assert part["checksum_after"] == part["checksum_of_origin"] != part["checksum_before"]
    assert not (wesnoth.exp / SCRATCH / "init.json").exists()


def test_each_training_has_the_settings_that_are_its_own(wesnoth: Mt1) -> None:
    trained = {name: read_json(wesnoth.exp / name / "train.json") for name in (BEGUN, TUNED, SCRATCH)}
    assert [report["steps"] for report in trained.values()] == [60, 20, 60]
    told = [(report["targets"], report["student"]) for report in trained.values()]
    assert told == [
        ("synth", "2x2, help texts only"),
        ("synth by indomain", "2x2 after synth"),
        ("real", "2x2"),
    ]


def test_the_in_domain_teacher_goes_on_from_the_general_one(wesnoth: Mt1) -> None:
    proof = read_json(wesnoth.exp / "teacher_indomain/init.json")
    assert {part["path"] for part in proof["parts"].values()} == {
        str(wesnoth.exp / "teacher_general/model.pth")
    }
    assert read_json(wesnoth.exp / "teacher_indomain/train.json")["train_sentences"] == len(
        texts(wesnoth.data / "wesnoth_real")
    )


def test_every_model_translates_every_test_set(wesnoth: Mt1) -> None:
    for name in (BEGUN, TUNED, SCRATCH, "teacher_indomain"):
        for domain, folder in (("wesnoth", "decode_test"), ("handbook", "decode_handbook_test")):
            found = texts(wesnoth.exp / name / folder, "de")
            assert list(found) == list(texts(wesnoth.data / domain / "test"))
            assert (wesnoth.exp / name / folder / "scores.json").is_file()
    (entry,) = read_json(wesnoth.work / "results.json").values()
    assert len(entry["rows"]) == 2 * 5  # the general teacher is listed too, without scores
    assert "handbook_test" in (wesnoth.work / "RESULTS.md").read_text(encoding="utf-8")
    assert measured_sentences(wesnoth.exp / TUNED) == len(texts(wesnoth.data / "wesnoth/test"))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--pretrained", "synthetic"], "--pretrained is 'synthetic', wanted is one of: none real synth"),
        (["--teacher", "own"], "--teacher is 'own', wanted is one of: general indomain espnet:"),
        (["--langs", "en-it"], "--langs is 'en-it', wanted is one of: en-de"),
    ],
)
def test_run_sh_refuses_wrong_options_before_any_work(tmp_path: Path, words: list[str], wanted: str) -> None:
    done = Mt1(tmp_path, WESNOTH).run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"run.sh: {wanted}")
    assert not list(tmp_path.iterdir())
