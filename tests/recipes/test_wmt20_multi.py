"""The recipe egs/wmt20_multi/mt1 end to end on two pairs, and its lists of corpora."""

import json
from pathlib import Path

import pytest
import yaml
from conftest import RECIPE, measured_sentences
from test_wmt21 import Wmt, read
from toy import write_settings
from toy_wmt import SHORT, WMT_SETTINGS, corpora_yaml, make_downloads

pytestmark = pytest.mark.recipe

MULTI = RECIPE.parents[1] / "wmt20_multi/mt1"
SMALL = "model: {encoder_layers: 1, decoder_layers: 1, width: 16, feedforward: 32, heads: 2}\n"


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Wmt:
    """The recipe after runs for real and synth, of German and Spanish into English."""
    choice = {"langs": "mul-en", "others": "de es", "subset": "60"}
    recipe = Wmt(tmp_path_factory.mktemp("multi"), MULTI, choice)
    settings = {"tokenizers": "vocabulary_size: 450\n", "tokenizers_pair": "vocabulary_size: 400\n"}
    settings |= {"teacher": SMALL + SHORT, "student": WMT_SETTINGS["student"]}
    for other in ("de", "es"):
        make_downloads(recipe.folder / "downloads" / other, other)
        lists = yaml.safe_load(corpora_yaml(other))
        for corpus in lists["corpora"].values():
            corpus["files"] = [f"{other}/{name}" for name in corpus["files"]]
        settings[f"corpora_{other}"] = yaml.safe_dump(lists)
    write_settings(recipe.folder / "conf", settings)
    recipe.succeed("--targets", "real")
    recipe.succeed("--targets", "synth")
    return recipe


def test_one_student_learns_from_the_corpora_of_all_pairs(multi: Wmt) -> None:
    data, exp = (multi.work / f"{name}/de_es-en-mini" for name in ("data", "exp"))
    for other in ("de", "es"):
        pair = f"{other}-en"
        assert len(read(multi.work / f"data/{pair}-mini/corpus/raw/text.en")) == 209
        assert len(read(data / pair / f"train/text.{other}")) == 200
    combined = data / "train_60_synth_own_beam4_t1"
    assert sorted(read(combined / "utt2pair").values()) == ["de-en"] * 60 + ["es-en"] * 60
    assert (exp / f"mt_2x2_{combined.name}/pack.zip").is_file()
    assert measured_sentences(exp / f"mt_2x2_{combined.name}", "test_es-en") > 0
    (entry,) = json.loads((multi.work / "results.json").read_text(encoding="utf-8")).values()
    assert {(row["targets"], row["test_set"]) for row in entry["rows"]} == {
        (targets, f"test_{other}-en") for targets in ("real", "synth") for other in ("de", "es")
    }


@pytest.mark.parametrize("other", ["de", "es", "fr"])
@pytest.mark.parametrize("preset", ["full", "mini"])
def test_what_is_known_of_a_corpus_is_of_one_that_mtdata_is_asked_for(other: str, preset: str) -> None:
    folder = MULTI / "conf" / preset
    (recipe,) = yaml.safe_load((folder / f"mtdata.recipes.{other}.yml").read_text(encoding="utf-8"))
    corpora = yaml.safe_load((folder / f"corpora_{other}.yaml").read_text(encoding="utf-8"))
    assert corpora["corpora"].keys() == {name for field in ("train", "dev", "test") for name in recipe[field]}
    assert all("pairs" in one and "licence" in one for one in corpora["corpora"].values())
    assert corpora["recipe"] == f"mtdata.recipes.{other}.yml"  # beside it, in a copy too


def test_languages_that_have_no_corpora_are_refused_before_any_work(tmp_path: Path) -> None:
    done = Wmt(tmp_path, MULTI, {}).run("--others", "de ru")
    assert done.returncode == 2 and "wanted are two or more of: de es fr" in done.stderr
    assert not list(tmp_path.iterdir())
