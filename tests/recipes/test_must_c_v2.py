"""The recipe egs/must_c_v2/mt1 end to end: talks as text, general texts from elsewhere, fine-tuning."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import RECIPE, Mt1, measured_sentences
from toy import SETTINGS as MT_SETTINGS
from toy import write_settings
from toy_iwslt import write_mustc
from toy_steel_sky import sentences, turn_round

from synthst.commands import import_text
from synthst.tables import read_table

pytestmark = pytest.mark.recipe

MUST_C = RECIPE.parents[1] / "must_c_v2/mt1"
SETTINGS = {
    **{name: MT_SETTINGS[name] for name in ("tokenizers", "student")},
    "teacher": MT_SETTINGS["teacher"].replace("max_steps: 200", "max_steps: 100"),
    "mustc": "bounds: {train: [60, 60]}\n",
    "mustc_subset": "size: all\n",
    "indomain": "training: {max_steps: 20, warmup_steps: 5, validate_every: 10}\n",
    "finetune": "training: {max_steps: 20, warmup_steps: 5, validate_every: 10}\n",
}
BEGUN = "mt_2x2_wmt_100_synth_general_beam4"
TUNED = f"{BEGUN}_then_mustc_synth_indomain_beam4"


class MustC(Mt1):
    """The recipe; its corpora come from folders instead of packages."""

    def command(self, *words: str, script: str = "run.sh") -> list[str]:
        """Return the recipe's command, with the toy's corpora and settings."""
        options = {"preset": "mini", "workdir": self.work, "conf": self.folder / "conf", "subset": "100"}
        options |= {"source": self.folder / "downloads", "corpus": self.folder / "corpus"}
        pairs = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        return [str(self.recipe / script), *pairs, *words]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def texts(directory: Path, lang: str = "en") -> dict[str, str]:
    return dict(read_table(directory / f"text.{lang}", allow_empty=True))


@pytest.fixture(scope="module")
def must_c(tmp_path_factory: pytest.TempPathFactory) -> MustC:
    """The recipe after a full run; a sentence of tst-COMMON is in both training sets, too."""
    recipe = MustC(tmp_path_factory.mktemp("must_c"), MUST_C)
    write_settings(recipe.folder / "conf", SETTINGS)
    say = sentences(random.Random(8))
    common = [say() for _ in range(10)]
    talks = {
        "train": [*(say() for _ in range(59)), common[0]],
        "dev": [say() for _ in range(10)],
        "tst-COMMON": common,
    }
    for part, lines in talks.items():
        write_mustc(
            recipe.folder / "downloads/MUSTC_v2.0", part, {1: [(line, turn_round(line)) for line in lines]}
        )
        shutil.rmtree(recipe.folder / f"downloads/MUSTC_v2.0/en-de/data/{part}/wav")  # the texts are enough
    write_general(
        recipe.folder / "corpus", [*(say() for _ in range(200)), common[1]], [say() for _ in range(20)]
    )
    recipe.succeed("--teacher", "indomain")
    return recipe


def write_general(folder: Path, train: list[str], dev: list[str]) -> None:
    """Write data directories as another recipe makes them."""
    for name, lines in (("train", train), ("dev", dev)):
        rows = (f"{name}{number:04d}\t{line}\t{turn_round(line)}\n" for number, line in enumerate(lines))
        tsv = folder.parent / f"{name}.tsv"
        tsv.write_text("".join(rows), encoding="utf-8")
        import_text(folder / name, src="en", tgt="de", tsv=tsv)


def test_no_training_set_has_a_test_sentence(must_c: MustC) -> None:
    held_out = set(texts(must_c.data / "mustc/tst-COMMON").values())
    assert len(held_out) == 10
    for name, size in (("mustc_real", 59), ("wmt", 200), ("wmt_100_real", 100)):
        found = texts(must_c.data / name)
        assert len(found) == size and not set(found.values()) & held_out


def test_the_student_and_the_in_domain_teacher_go_on_from_others(must_c: MustC) -> None:
    for name, origin in ((TUNED, BEGUN), ("teacher_indomain", "teacher_general")):
        for part in read_json(must_c.exp / name / "init.json")["parts"].values():
            assert part["path"] == str(must_c.exp / origin / "model.pth")
            assert part["checksum_after"] == part["checksum_of_origin"] != part["checksum_before"]
    trained = {name: read_json(must_c.exp / name / "train.json") for name in (BEGUN, TUNED)}
    assert [report["train_sentences"] for report in trained.values()] == [100, 59]
    assert [report["student"] for report in trained.values()] == ["2x2, WMT only", "2x2 after synth"]


def test_tst_common_is_translated_and_scored(must_c: MustC) -> None:
    for name in (BEGUN, TUNED, "teacher_indomain"):
        assert len(texts(must_c.exp / name / "decode_tst-COMMON", "de")) == 10
        assert read_json(must_c.exp / name / "decode_tst-COMMON/scores.json")["sentences"] == 10
    assert measured_sentences(must_c.exp / TUNED, "tst-COMMON") == 10
    assert "MuST-C v2, en-de, preset mini" in (must_c.work / "RESULTS.md").read_text(encoding="utf-8")


def test_a_corpus_of_another_size_stops(tmp_path: Path) -> None:
    recipe = MustC(tmp_path, MUST_C)
    write_settings(tmp_path / "conf", SETTINGS)
    for part in ("train", "dev", "tst-COMMON"):
        write_mustc(tmp_path / "downloads/MUSTC_v2.0", part, {1: [("One", "Eins")]})
    write_general(tmp_path / "corpus", ["One"], ["Two"])
    done = recipe.run("--stop_stage", "1")
    assert done.returncode == 1 and "train.yaml has 1 utterances, wanted are 60 to 60" in done.stderr


def test_all_that_is_missing_is_named_before_anything_is_read(tmp_path: Path) -> None:
    recipe = MustC(tmp_path, MUST_C)
    write_settings(tmp_path / "conf", SETTINGS)
    write_mustc(tmp_path / "downloads/MUSTC_v2.0", "train", {1: [("One", "Eins")]})
    done = recipe.run("--stop_stage", "1")
    assert done.returncode == 1 and not (tmp_path / "work").exists()
    for name in ("corpus/train", "corpus/dev"):
        assert f"{tmp_path}/{name} (general texts: make them with ../../wmt21_en_de/mt1/run.sh" in done.stderr
    lacking = [line.split()[0] for line in done.stderr.splitlines() if "must-c" in line]
    base = f"{tmp_path}/downloads/MUSTC_v2.0/en-de/data"
    assert lacking == [f"{base}/dev/txt", f"{base}/tst-COMMON/txt"]
