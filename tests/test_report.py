"""The results table, its words, and the section of RESULTS.md."""

import json
import re
from pathlib import Path

import pytest

from synthst.errors import DataError
from synthst.report import ResultRow, print_table, report_results, result_table, terminal_table
from synthst.report.machine import describe_machine
from synthst.report.table import find_differences, show_p_value, show_verdict
from synthst.score import score_system
from synthst.versions import describe_versions

SOURCES = [f"Click icon {n} in the {n % 4} bar of the window." for n in range(40)]
REFERENCES = [f"Klicken Sie auf Symbol {n} in der Leiste {n % 4} des Fensters." for n in range(40)]
REAL = [line.replace("Klicken Sie auf", "Drücken").replace("des", "vom") for line in REFERENCES]
SYNTH = [line if n % 5 else "Klick." for n, line in enumerate(REFERENCES)]


def row(**changes: object) -> ResultRow:
    values: dict[str, object] = {
        "directory": Path("exp/a"),
        "targets": "synth",
        "student": "2x2",
        "test_set": "test",
    }
    return ResultRow(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p_value", "shown"),
    [
        (1 / 1001, "p < 0.001"),
        (0.0012, "p = 0.001"),
        (0.0496, "p = 0.050"),
        (0.212, "p = 0.21"),
        (1, "p = 1.00"),
    ],
)
def test_p_values_keep_the_digits_that_matter(p_value: float, shown: str) -> None:
    assert show_p_value(p_value) == shown


@pytest.mark.parametrize(
    ("delta", "p_value", "verdict"),
    [
        (4.7, 0.0009, "better, p < 0.001"),
        (-1.2, 0.003, "worse, p = 0.003"),
        (0.3, 0.21, "no significant difference, p = 0.21"),
        (-9.0, 0.05, "no significant difference, p = 0.050"),
    ],
)
def test_verdicts_claim_no_more_than_the_test_shows(delta: float, p_value: float, verdict: str) -> None:
    assert show_verdict(delta, p_value) == verdict


def test_result_table_shows_each_number_in_its_column() -> None:
    real = row(targets="real", subset=4000, is_baseline=True, bleu=4.44, chrf2=21.26, train_sentences=4000)
    synth = row(
        subset=4000, bleu=9.14, chrf2=30, bleu_delta=4.7, bleu_p_value=0.0001, train_sentences=29_703,
        parameters=12_345_678, train_seconds=184, speed=51.26,
    )  # fmt: skip
    assert result_table([real, synth]).split("\n") == [
        "| Targets | Student | Subset | Test set | BLEU | chrF2 | BLEU to real | Training sentences"
        " | Parameters | Training minutes | Decoded sentences/s |",
        "| --- | --- | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        "| real | 2x2 | 4,000 | test | 4.4 | 21.3 | baseline | 4,000 | - | - | - |",
        "| synth | 2x2 | 4,000 | test | 9.1 | 30.0 | +4.7 (better, p < 0.001) | 29,703 | 12,345,678 | 3.1"
        " | 51.3 |",
        "",
    ]


def test_unknown_numbers_show_as_dashes_and_bars_are_escaped() -> None:
    line = result_table([row(targets="a|b")]).split("\n")[2]
    assert line == "| a\\|b | 2x2 | all | test | - | - | - | - | - | - | - |"


@pytest.mark.parametrize("test_set", ["test", "a_test_set_whose_name_alone_is_longer_than_fits_" + "x" * 80])
def test_terminal_table_is_aligned_and_fits(test_set: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        row(
            targets=targets, test_set=test_set, subset=1_234_567, bleu=12.3, chrf2=45.6, speed=1234.5,
            train_sentences=12_345_678, parameters=123_456_789, train_seconds=123_456,
            bleu_delta=-10.1, bleu_p_value=0.0421, chrf2_delta=0.1, chrf2_p_value=0.4,
        )
        for targets in ("synth", "synth_mono")
    ]  # fmt: skip
    print_table(rows)
    text = capsys.readouterr().out
    assert text == terminal_table(rows)
    lines = text.split("\n")
    assert max(map(len, lines)) <= 100
    assert len({len(line) for line in lines[1:4]}) == 1
    start = lines[0].index("to real")
    assert [line[start:].startswith("-10.1 p=0.042") for line in lines[2:4]] == [True, True]
    words = " ".join(" ".join(lines[4:]).split())
    assert "BLEU -10.1 (worse, p = 0.042), chrF2 +0.1 (no significant difference, p = 0.40)." in words


def test_nothing_compared_is_said() -> None:
    assert "Nothing was compared" in find_differences([row(targets="real", is_baseline=True)])[0]


def test_machine_and_versions_are_described() -> None:
    assert re.search(r"\d+ cores, \d+ GiB memory", describe_machine())
    versions = describe_versions()
    assert {"python", "torch", "espnet", "sacrebleu", "synthst", "commit"} == set(versions)
    assert all(versions.values())


class Experiment:
    """A test set of 40 sentences and students with made-up training records and translations."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.write_table(self.data / "test" / "text.en", SOURCES)
        self.write_table(self.data / "test" / "text.de", REFERENCES)

    def write_table(self, path: Path, lines: list[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"utt_{n:03d} {line}\n" for n, line in enumerate(lines))
        path.write_text(text, encoding="utf-8", newline="\n")

    def add(self, name: str, hyps: list[str] | None, **train: object) -> Path:
        student = self.folder / "exp" / name
        student.mkdir(parents=True)
        record: dict[str, object] = {
            "parameters": 5_000_000,
            "steps": 900,
            "seconds": 120.0,
            "train_sentences": 4000,
        }
        record |= {"targets": name, "student": "2x2", "subset": 4000, "valid_loss": 3.5}
        (student / "train.json").write_text(json.dumps(record | train), encoding="utf-8")
        if hyps is not None:
            hyp, ref = student / "decode_test" / "text.de", self.data / "test" / "text.de"
            self.write_table(hyp, hyps)
            score_system(hyp, ref, hyp.with_name("scores.json"), tgt="de")
            decode = '{"sentences": 40, "seconds": 2.0, "cut_off": 0}'
            hyp.with_name("decode.json").write_text(decode, encoding="utf-8")
        return student

    def report(self, *students: Path, test_sets: tuple[str, ...] = ("test",), title: str = "mini") -> str:
        return report_results(
            students, data=self.data, test_sets=test_sets, src="en", tgt="de", resamples=100,
            out=self.folder / "RESULTS.md", title=title, command="./run.sh --stage 1",
        )  # fmt: skip

    @property
    def results(self) -> str:
        return (self.folder / "RESULTS.md").read_text(encoding="utf-8")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment(tmp_path)


def test_report_compares_students_of_the_same_size_and_subset_only(experiment: Experiment) -> None:
    students = [
        experiment.add("teacher", REFERENCES, student="3x3", subset=None),
        experiment.add("real", REAL),
        experiment.add("synth", SYNTH),
        experiment.add("synth_6x6", SYNTH, targets="synth", student="6x6"),
    ]
    table = experiment.report(*students)
    lines = {line.split()[0] + line.split()[1]: line for line in table.split("\n")[2:6]}
    assert "100.0  100.0  - " in lines["teacher3x3"]
    assert "baseline" in lines["real2x2"]
    assert re.search(r"\+\d+\.\d p=?<?0\.\d+", lines["synth2x2"])
    assert "p" not in lines["synth6x6"].replace("5.0M", "")[15:]
    assert "2.0    20.0" in lines["synth2x2"]
    record = json.loads((experiment.folder / "results.json").read_text(encoding="utf-8"))["en-de-mini"]
    assert [item["metric"] for item in record["comparisons"]] == ["BLEU", "chrF2"]
    bleu = {entry["targets"] + entry["student"]: entry["bleu"] for entry in record["rows"]}
    assert record["comparisons"][0]["delta"] == pytest.approx(bleu["synth2x2"] - bleu["real2x2"])


def test_report_writes_a_section_that_can_be_read_alone(experiment: Experiment) -> None:
    experiment.report(experiment.add("real", REAL), experiment.add("synth", SYNTH))
    text = experiment.results
    assert "<!-- synthst: en-de-mini -->\n## mini\n\n```\n./run.sh --stage 1\n```\n" in text
    for wanted in ("- Date: 20", "- Machine: ", "- Versions: python 3.", "paired bootstrap, 100 resamples"):
        assert wanted in text
    assert "`BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:" in text
    assert "`chrF2|nrefs:1|bs:100|seed:12345|" in text
    assert text.count("\nsource     Click icon ") == 5
    labels = ("id         utt_", "source     ", "reference  ", "real       ", "synth      ")
    sample = re.search("\n".join(f"{label}(.*)" for label in labels), text)
    assert sample is not None
    number = int(sample[1])
    assert list(sample.groups()[1:]) == [texts[number] for texts in (SOURCES, REFERENCES, REAL, SYNTH)]


def test_reporting_again_replaces_the_section_and_keeps_others(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("synth", REAL)
    experiment.report(*students, title="other")
    experiment.report(*students)
    experiment.report(*students)
    assert experiment.results.count("<!-- synthst: en-de-mini -->") == 1
    assert experiment.results.count("<!-- synthst: en-de-other -->") == 1
    assert "+0.0 (no significant difference, p = 1.00)" in experiment.results
    assert set(json.loads((experiment.folder / "results.json").read_text())) == {"en-de-mini", "en-de-other"}


def test_missing_pieces_show_as_dashes(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("synth", None)
    table = experiment.report(*students, experiment.folder / "exp" / "never_made")
    assert re.search(r"^synth +2x2 +4,000 +test +- +- +- +4,000 +5\.0M +2\.0 +-$", table, re.MULTILINE)
    assert re.search(r"^never_made +- +all +test +- +- +- +- +- +- +-$", table, re.MULTILINE)
    assert "not scored yet" in table


def test_missing_test_data_and_no_students_at_all_are_no_crash(experiment: Experiment) -> None:
    assert "Nothing was compared" in experiment.report()
    student = experiment.add("real", REAL)
    assert "unseen" in experiment.report(student, test_sets=("unseen",))
    (experiment.data / "test" / "text.de").unlink()
    assert "Nothing was compared" in experiment.report(student, experiment.add("synth", None))


def test_scores_of_a_text_that_changed_are_not_reported(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("synth", SYNTH)
    experiment.write_table(students[1] / "decode_test" / "text.de", REAL)
    table = experiment.report(*students)
    assert re.search(r"^synth +2x2 +4,000 +test +- +- +- ", table, re.MULTILINE)
    assert "score it again" in " ".join(table.split())


def test_unequal_training_and_cut_off_sentences_are_noted(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("synth", SYNTH, steps=1800)
    decode = {"sentences": 40, "seconds": 0, "cut_off": 3, "too_short": 2}
    (students[1] / "decode_test" / "decode.json").write_text(json.dumps(decode), encoding="utf-8")
    words = " ".join(experiment.report(*students).split())
    assert "trained for 1,800 steps, real for 900." in words
    assert "3 translations were cut off at the length limit." in words
    assert "2 utterances were too short for the model and got an empty translation." in words


def test_two_baselines_of_one_description_are_refused(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("real_again", REAL, targets="real")
    with pytest.raises(DataError, match="real_again are both 2x2 students"):
        experiment.report(*students)


def test_scores_of_another_tokenizer_are_refused(experiment: Experiment) -> None:
    students = experiment.add("real", REAL), experiment.add("synth", SYNTH)
    hyp, ref = students[1] / "decode_test" / "text.de", experiment.data / "test" / "text.de"
    score_system(hyp, ref, hyp.with_name("scores.json"), tgt="de", tokenize="char")
    with pytest.raises(DataError, match="same tokenizer"):
        experiment.report(*students)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_record_is_named(experiment: Experiment, content: str) -> None:
    student = experiment.add("real", REAL)
    (student / "train.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.json"):
        experiment.report(student)
