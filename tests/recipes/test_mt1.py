"""The recipe egs/libreoffice/mt1 end to end: directories, fair comparison, kill and resume, its own stage."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import pyarrow.parquet
import pytest
from conftest import RECIPE, Mt1

from synthst.cli import main
from synthst.datadir import read_info
from synthst.tables import read_table

pytestmark = pytest.mark.recipe

BEAM4 = RECIPE.parents[2] / "conf/decode_beam4.yaml"

TARGETS = {
    "real": "train_120_real",
    "synth": "train_120_synth_own_beam4",
    "synth_mono": "train_120_synth_mono_own_beam4",
}
SCORES = {"RESULTS.md", "results.json", "scores.json", "sentences.tsv", "pack.zip"}


def read(path: Path) -> dict[str, str]:
    return dict(read_table(path))


def train_json(recipe: Mt1, targets: str) -> dict[str, object]:
    text = (recipe.exp / f"mt_2x2_{TARGETS[targets]}/train.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def stored(store: Path) -> dict[str, str]:
    """Read the best hypotheses of a store by source."""
    rows = [row for part in store.glob("*.parquet") for row in pyarrow.parquet.read_table(part).to_pylist()]
    best = [row for row in rows if row["rank"] == 0]
    found = {row["source"]: row["hypothesis"] for row in best}
    assert len(found) == len(best) < len(rows)
    return found


def changed_files(before: dict[Path, int], folder: Path) -> set[str]:
    """Name what came or was written since ``before``, but for what stage 11 scores anew and 13 packs."""
    now = {path: stamp for path, stamp in stamps(folder).items() if before.get(path) != stamp}
    return {str(path.relative_to(folder)) for path in now if path.name not in SCORES}


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--stage", "0"], "--stage is '0', wanted is a number from 1 to 13"),
        (["--targets"], "--targets wants a value"),
        (["--target", "real"], "unknown option --target; known: --stage --stop_stage --langs --targets"),
        (["--targets", "fake"], "--targets is 'fake', wanted is one of: real synth synth_mono"),
        (["--subset", "many"], "--subset is 'many', wanted is one of: all NUMBER"),
        (
            ["--teacher", "gpt:x"],
            "--teacher is 'gpt:x', wanted is one of: own general espnet:* ct2:* hf:* llm:* file:*",
        ),
        (["--ngpu", "one"], "--ngpu is 'one', wanted is one of: NUMBER"),
        (
            ["--dry_run", "no"],
            "--dry_run is 'no', wanted is true (the plan), false, or nothing (the commands)",
        ),
        (["--langs", "de-fr-it", "--corpus", "x"], "--langs is 'de-fr-it', wanted are two languages"),
        (["--langs", "de-", "--corpus", "x"], "--langs is 'de-', wanted are two languages"),
        (["--langs", "ende", "--corpus", "x"], "--langs is 'ende', wanted are two languages"),
        (["--corpus", "/x"], "--corpus /x --langs en-de wants /x/train/text.en, which is not there"),
        (["--choose", "nice"], "--choose nice wants ../../../conf/targets_nice.yaml, which is not there"),
        (["--decode", "beam"], "--decode beam wants ../../../conf/decode_beam.yaml, which is not there"),
        (["--conf", "/x"], "--conf /x wants /x/student.yaml, which is not there"),
        (["--targets", "synth_mono", "--subset", "all"], "synth_mono wants sentences outside --subset"),
    ],
)
def test_run_sh_refuses_wrong_options_before_any_work(tmp_path: Path, words: list[str], wanted: str) -> None:
    done = Mt1(tmp_path).run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"run.sh: {wanted}") or f"run.sh: --targets {wanted}" in done.stderr
    assert not list(tmp_path.iterdir())


def test_run_sh_names_the_set_up_that_is_missing(tmp_path: Path) -> None:
    tools = RECIPE.parents[2] / "tools"
    for path in (RECIPE / "run.sh", RECIPE / "path.sh", tools / "recipe.sh", tools / "path.sh"):
        copy = tmp_path / path.relative_to(RECIPE.parents[2])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    script = tmp_path / RECIPE.relative_to(RECIPE.parents[2]) / "run.sh"
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"path.sh: {tmp_path}/.venv is not there yet; run tools/setup.sh\n"


def test_run_sh_stops_at_a_stage_whose_input_is_missing(mt1: Mt1, tmp_path: Path) -> None:
    done = mt1.run("--stage", "6", "--workdir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("run.sh: stage 6 (tokens of ")
    assert "train one with stage 2" in done.stderr and "Traceback" not in done.stderr


def test_run_sh_makes_what_its_stages_are_for(trained: Mt1) -> None:
    data = {path.name for path in trained.data.iterdir()}
    tokens = {f"tokens_{name}" for name in TARGETS.values()}
    assert data == {
        "corpus",
        "rest_120",
        "rest_120_unlimited",
        "tokenizers",
        "tokens_dev",
        *TARGETS.values(),
        *tokens,
    }
    models = {"teacher_own", *(f"mt_2x2_{name}" for name in TARGETS.values())}
    made = {path.name for path in trained.exp.iterdir()}
    assert made == models | {"teacher_own_tokens_train", "teacher_own_tokens_dev"}
    for model in models:
        assert (trained.exp / model / "model.pth").is_file()
        test_ids = list(read(trained.data / "corpus/test/text.de"))
        hypotheses = trained.exp / model / "decode_test/text.de"
        assert [key for key, _ in read_table(hypotheses, allow_empty=True)] == test_ids
        assert (trained.exp / model / "decode_test/scores.json").is_file()


def test_students_of_a_comparison_differ_in_their_targets_only(trained: Mt1) -> None:
    real, synth = (trained.data / f"tokens_{TARGETS[name]}" for name in ("real", "synth"))
    for name in ("ids.txt", "en.tokens", "en.offsets"):
        assert (real / name).read_bytes() == (synth / name).read_bytes()
    assert (real / "de.tokens").read_bytes() != (synth / "de.tokens").read_bytes()
    reports = {name: train_json(trained, name) for name in TARGETS}
    assert {report["steps"] for report in reports.values()} == {60}
    assert [report["train_sentences"] for report in reports.values()] == [120, 120, 220]
    for key in ("model", "training"):
        assert len({json.dumps(report["settings"][key]) for report in reports.values()}) == 1  # type: ignore[index]


def test_synthetic_targets_are_the_teachers_by_source(trained: Mt1) -> None:
    store = stored(trained.exp / "teacher_own/beam4")
    for name, size in (("synth", 120), ("synth_mono", 220)):
        sources, targets = (read(trained.data / TARGETS[name] / f"text.{lang}") for lang in ("en", "de"))
        assert len(sources) == size
        assert {key: store[source] for key, source in sources.items()} == targets


def test_store_is_complete(trained: Mt1, capsys: pytest.CaptureFixture[str]) -> None:
    teacher, store = trained.exp / "teacher_own", trained.exp / "teacher_own/beam4"
    for name, size in ((TARGETS["real"], 120), ("rest_120", 100)):
        words = [
            "--teacher",
            str(teacher),
            "--data",
            str(trained.data / name),
            "--out",
            str(store),
            "--src",
            "en",
        ]
        assert main(["decode", *words, "--check", "true"]) == 0
        assert f"{size} of {size} sentences, 0 cut off" in capsys.readouterr().out


def test_synth_mono_adds_the_other_sources_and_never_reads_their_references(trained: Mt1) -> None:
    extra = read(trained.data / "rest_120/text.en")
    assert (trained.data / "rest_120/text.de").read_bytes() == b"\xff poisoned\n"
    synth, mono = (read(trained.data / TARGETS[name] / "text.de") for name in ("synth", "synth_mono"))
    assert mono.keys() == synth.keys() | extra.keys() and not synth.keys() & extra.keys()
    assert synth.items() <= mono.items()


def test_results_tell_every_model_with_its_command(trained: Mt1) -> None:
    (entry,) = json.loads((trained.work / "results.json").read_text(encoding="utf-8")).values()
    rows = {row["targets"]: row for row in entry["rows"]}
    assert rows.keys() == {"teacher", *TARGETS}
    assert all(row["bleu"] is not None and row["chrf2"] is not None for row in rows.values())
    assert [rows[name]["steps"] for name in TARGETS] == [60, 60, 60]
    assert [rows[name]["bleu_p_value"] is not None for name in TARGETS] == [False, True, True]
    results = (trained.work / "RESULTS.md").read_text(encoding="utf-8")
    assert "--targets synth_mono" in results and "LibreOffice help, en-de, preset mini" in results


def test_the_pack_of_a_student_translates_as_it_does(trained: Mt1, monkeypatch: pytest.MonkeyPatch) -> None:
    student = trained.exp / f"mt_2x2_{TARGETS['synth']}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(trained.folder / "cache"))
    test_set = list(read(trained.data / "corpus/test/text.en").values())[:5]
    command = [sys.executable, "-m", "synthst.cli", "translate", "--config", str(BEAM4), "--model"]
    told = "".join(f"{sentence}\n" for sentence in test_set)
    run = partial(subprocess.run, input=told, capture_output=True, text=True, check=True)
    packed, unpacked = (run([*command, str(place)]).stdout for place in (student / "pack.zip", student))
    assert packed == unpacked and packed.count("\n") == 5
    with zipfile.ZipFile(student / "pack.zip") as archive:
        card, results = (archive.read(name).decode() for name in ("README.md", "RESULTS.md"))
    assert "replace_targets" in card and "- name: `teacher_own`" in card and "trained here: " in card
    assert "| LibreOffice's help texts, en-de | MPL-2.0 |" in card and "| test | BLEU |" in card
    assert results.startswith("# Results\n\n## LibreOffice help, en-de, preset mini\n")


def test_run_sh_does_nothing_the_second_time(trained: Mt1) -> None:
    before = stamps(trained.work)
    told = trained.succeed("--targets", "synth")
    assert changed_files(before, trained.work) == set()
    assert "stage 8: train the student" in told and "validation 1" not in told


def test_a_killed_run_goes_on_to_the_same_store_and_model(trained: Mt1, tmp_path: Path) -> None:
    store, student = trained.exp / "teacher_own/beam4", trained.exp / f"mt_2x2_{TARGETS['synth']}"
    unbroken_store = stored(store)
    unbroken = shutil.move(student, tmp_path / "student")
    shutil.move(store, tmp_path / "store")
    training = student.with_name(f"{student.name}.training")
    command = ("--targets", "synth", "--stage", "3", "--stop_stage", "8")

    trained.kill_when((store / "manifest.json").exists, *command)
    assert not list(store.glob("*.parquet"))
    trained.kill_when((training / "2epoch.pth").exists, *command)
    assert not student.exists() and not (training / "6epoch.pth").exists()
    trained.succeed(*command)

    sources = read(trained.data / TARGETS["synth"] / "text.en").values()
    assert stored(store) == {source: unbroken_store[source] for source in sources}
    log = (student / "train.log").read_text(encoding="utf-8")
    assert [log.count(f"{epoch}/6epoch started") for epoch in (1, 6)] == [1, 1]
    assert (student / "model.pth").read_bytes() == (unbroken / "model.pth").read_bytes()
    leftovers = [
        path for path in trained.work.rglob("*") if ".tmp" in path.name or path.name.endswith(".training")
    ]
    assert not leftovers


@pytest.fixture(scope="module")
def translations(mt1: Mt1) -> Path:
    """Translations made elsewhere: the sources in capitals, but every tenth as it is."""
    sources = sorted(set(read(mt1.data / "train_120_real/text.en").values()))
    rows = [f"{source}\t{source if n % 10 == 0 else source[::-1]}\n" for n, source in enumerate(sources)]
    path = mt1.folder / "made elsewhere.tsv"
    path.write_text("source\thypothesis\n" + "".join(rows), encoding="utf-8")
    return path


def synth_of(path: Path) -> str:
    name = "".join(c if c.isascii() and c.isalnum() or c in ".-" else "_" for c in f"file:{path}")
    return f"train_120_synth_{name}_beam4"


def test_run_sh_takes_a_file_of_translations_as_teacher(mt1: Mt1, translations: Path) -> None:
    mt1.succeed("--teacher", f"file:{translations}", "--stop_stage", "4")
    by_source = dict(line.split("\t") for line in translations.read_text(encoding="utf-8").splitlines()[1:])
    sources, targets = (read(mt1.data / synth_of(translations) / f"text.{lang}") for lang in ("en", "de"))
    assert len(sources) == 120
    assert {key: by_source[source] for key, source in sources.items()} == targets


def test_run_sh_refuses_a_file_that_lacks_a_sentence(mt1: Mt1, translations: Path) -> None:
    short = translations.with_name("short.tsv")
    short.write_text("".join(translations.open(encoding="utf-8").readlines()[:-1]), encoding="utf-8")
    done = mt1.run("--teacher", f"file:{short}", "--stop_stage", "4")
    assert done.returncode == 1
    assert f"{short} lacks 1 of 120 sentences" in done.stderr
    assert "run.sh: stage 2 (teacher) failed; mend the cause and go on with --stage 2" in done.stderr


def test_run_custom_runs_its_own_stage_on_what_run_sh_made(trained: Mt1, translations: Path) -> None:
    teacher = ("--teacher", f"file:{translations}")
    trained.succeed(*teacher, "--stop_stage", "4")
    before = stamps(trained.work)
    told = trained.succeed(*teacher, script="run_custom.py")
    assert [line[9:] for line in told.splitlines() if " stage 5: " in line] == ["stage 5: drop copies"]

    name = f"{synth_of(translations)}_nocopy"
    made = [f"data/en-de-mini/{name}", f"data/en-de-mini/tokens_{name}", f"exp/en-de-mini/mt_2x2_{name}"]
    changed = changed_files(before, trained.work)
    assert {start for start in made for path in changed if path.startswith(f"{start}/")} == set(made)
    assert [path for path in changed if not path.startswith(tuple(f"{start}/" for start in made))] == []
    kept, whole = (trained.data / directory for directory in (name, synth_of(translations)))
    sources, targets = read(whole / "text.en"), read(whole / "text.de")
    copies = {key for key, source in sources.items() if source == targets[key]}
    assert copies and read(kept / "text.de") == {key: targets[key] for key in targets.keys() - copies}
    counts = {"kept": 120 - len(copies), "dropped_copies": len(copies)}
    assert read_info(kept)["counts"] == counts
    results = json.loads((trained.work / "results.json").read_text(encoding="utf-8"))
    assert "synth_nocopy" in {row["targets"] for entry in results.values() for row in entry["rows"]}


def test_run_custom_refuses_wrong_options(mt1: Mt1) -> None:
    done = mt1.run("--student", "3x3", script="run_custom.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "run_custom.py: --student is '3x3', wanted is one of: 2x2 6x6 24x6\n"


def test_one_command_makes_figures_1_and_3_and_table_8(trained: Mt1) -> None:
    trained.succeed("--stage", "12", "--ks", "[1, 2]", "--seeds", "[1]", script="figures.sh")
    for name in ("figure1", "figure3"):
        assert all((trained.exp / f"{name}.{suffix}").stat().st_size for suffix in ("png", "svg", "csv"))
    table = (trained.exp / "table8.md").read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| real", "| synth", "| teacher"]
    with (trained.exp / "figure3.csv").open(encoding="utf-8", newline="") as file:
        assert {(row["model"].split("/")[-1], row["k"]) for row in csv.DictReader(file)} == {
            (model, k)
            for model in ("mt_2x2_train_120_real", "mt_2x2_train_120_synth_own_beam4", "teacher_own")
            for k in ("1", "2")
        }
