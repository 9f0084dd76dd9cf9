"""The recipes egs/wmt21_en_de/mt1 and wmt21_en_ru/mt1 end to end, on corpora in the forms of WMT's."""

import json
import re
from pathlib import Path

import pytest
import yaml
from conftest import RECIPE, Mt1
from sacrebleu.dataset import DATASETS
from tiny_hf import make_fsmt
from toy_wmt import make_downloads, write_conf

from synthst.datadir import read_info
from synthst.tables import read_table

pytestmark = pytest.mark.recipe

RECIPES = {other: RECIPE.parents[1] / f"wmt21_en_{other}/mt1" for other in ("de", "ru")}


class Wmt(Mt1):
    """One of the recipes, with corpora put there by hand."""

    def command(self, *words: str, script: str = "run.sh") -> list[str]:
        """Return the recipe's command, with the toy's corpora and settings."""
        command = super().command(*words, script=script)
        place = command.index("--deb_dir")
        return [*command[:place], "--downloads", str(self.folder / "downloads"), *command[place + 2 :]]


def make_recipe(folder: Path, other: str) -> tuple[Wmt, dict[str, int]]:
    recipe = Wmt(folder, RECIPES[other], {"teacher": "own", "subset": "120"})
    _, sizes = make_downloads(folder / "downloads", other)
    write_conf(folder / "conf", other)
    return recipe, sizes


def read(path: Path) -> dict[str, str]:
    return dict(read_table(path))


@pytest.mark.parametrize("other", ["de", "ru"])
def test_all_stages_run_on_corpora_in_their_own_forms(tmp_path: Path, other: str) -> None:
    recipe, sizes = make_recipe(tmp_path, other)
    sets, trainings = (
        ("[test, medical, law]", ["real", "synth_mono"]) if other == "de" else ("[test]", ["synth_mono"])
    )
    for targets in trainings:  # stages 12 and 13 once only
        last = "11" if targets == "real" else "13"
        recipe.succeed("--targets", targets, "--test_sets", sets, "--stop_stage", last)
    data, exp = (recipe.work / f"{name}/en-{other}-mini" for name in ("data", "exp"))
    found = {name: len(read(data / f"corpus/{name}/text.en")) for name in sizes}
    assert found == sizes
    assert read_info(data / "corpus/train")["counts"] == {
        **{"kept": 200, "dropped_overlap": 3, "dropped_copy": 1, "dropped_length_tokens": 1},
        **{"dropped_length_ratio_tokens": 1, "dropped_length_ratio_characters": 0, "dropped_broken": 1},
        **{"dropped_script": 0, "dropped_language": 1, "dropped_duplicates_pair": 1},
    }
    mono = data / "train_120_synth_mono_own_beam4"
    assert len(read(data / "train_120_real/text.en")) == 120 and len(read(mono / f"text.{other}")) == 180
    pieces = [(data / f"tokenizers/{lang}.model").read_bytes() for lang in ("en", other)]
    assert (pieces[0] == pieces[1]) == (other == "de")  # shared, or one for each language
    student = exp / f"mt_2x2_{mono.name}"
    assert (student / "pack.zip").is_file() and (student / "export/model.bin").is_file()
    (entry,) = json.loads((recipe.work / "results.json").read_text(encoding="utf-8")).values()
    scored = {(row["targets"], row["test_set"]) for row in entry["rows"]}
    assert scored == {(name, one) for name in [*trainings, "teacher"] for one in re.findall(r"\w+", sets)}
    made = {path: path.stat().st_mtime_ns for path in recipe.work.rglob("*.pth")}
    assert made
    recipe.succeed("--targets", "synth_mono", "--stage", "2", "--stop_stage", "8")
    assert made == {path: path.stat().st_mtime_ns for path in recipe.work.rglob("*.pth")}


def test_a_model_like_the_default_teacher_translates_the_sources(tmp_path: Path) -> None:
    recipe, _ = make_recipe(tmp_path, "de")
    model = make_fsmt(tmp_path / "wmt19-en-de")
    recipe.succeed("--targets", "synth", "--teacher", f"hf:{model}", "--stop_stage", "4")
    data = recipe.work / "data/en-de-mini"
    (synth,) = data.glob("train_120_synth_*")
    real, made = (read(folder / "text.de") for folder in (data / "train_120_real", synth))
    assert real.keys() >= made.keys() and len(made) > 60 and len(set(made.values())) > 30
    assert all(made[key] != real[key] for key in made)


def test_stage_1_tells_where_to_put_what_needs_a_form(tmp_path: Path) -> None:
    recipe, _ = make_recipe(tmp_path, "ru")
    (tmp_path / "downloads/1mcorpus.zip").unlink()
    done = recipe.run("--stop_stage", "1")
    assert done.returncode == 1 and f"yandex: {tmp_path}/downloads/1mcorpus.zip" in done.stderr
    assert not (recipe.work / "data").exists()


@pytest.mark.parametrize("other", ["de", "ru"])
@pytest.mark.parametrize("preset", ["full", "mini"])
def test_what_is_known_of_a_corpus_is_of_one_that_mtdata_is_asked_for(other: str, preset: str) -> None:
    folder = RECIPES[other] / "conf" / preset
    (recipe,) = yaml.safe_load((folder / "mtdata.recipes.yml").read_text(encoding="utf-8"))
    corpora = yaml.safe_load((folder / "corpora.yaml").read_text(encoding="utf-8"))
    listed = {name for field in ("train", "dev", "test") for name in recipe[field]}
    by_hand = {name for name, one in corpora["corpora"].items() if "files" in one}
    assert corpora["corpora"].keys() - by_hand == listed
    assert all("pairs" in one and "licence" in one for one in corpora["corpora"].values())
    fetched = {name for name in by_hand if corpora["corpora"][name].get("sacrebleu") in DATASETS}
    assert all("where" in corpora["corpora"][name] for name in by_hand - fetched)
    assert corpora["recipe"] == "mtdata.recipes.yml"  # beside it, in a copy too


@pytest.mark.parametrize("other", ["de", "ru"])
def test_a_wrong_option_is_refused_before_any_work(tmp_path: Path, other: str) -> None:
    done = Wmt(tmp_path, RECIPES[other], {}).run("--targets", "synth_mono", "--subset", "all")
    assert done.returncode == 2 and "wants sentences outside --subset" in done.stderr
    assert not list(tmp_path.iterdir())
