"""Scoring by id, against sacreBLEU's own command line and numbers worked out by hand."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from synthst.errors import ConfigError, DataError
from synthst.score import SystemScores, compare_systems, is_stale, read_metrics, score_system

ENGLISH = [
    ("the cat sat on the mat.", "the cat sat on the mat.", "a cat was sitting on the mat."),
    ("Click the icon, then press Enter.", "Click the icon and press Enter.", "Press the icon, then Enter."),
    ("", "Nothing was translated here.", "Nothing is translated."),
    ("It said nothing at all in the end.", "", "It did not say anything."),
    ("A line with an odd\u2028separator and\u0085one more.", "A line with odd separators.", "An odd line."),
    ("Don't (ever) do 3.5% of it!", "Don't ever do 3.5 % of it!", "Never do 3.5% of it!"),
]
CHINESE = [
    ("猫坐在垫子上。", "那只猫坐在垫子上。"),
    ("点击图标。", "请点击该图标。"),
    ("保存文件", "文件已保存"),
]


def write(path: Path, lines: Sequence[str], *, plain: bool = False) -> Path:
    """Write lines as a table, or as the plain text that sacreBLEU's command reads."""
    rows = [line if plain else f"utt_{n:03d} {line}".rstrip(" ") for n, line in enumerate(lines)]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="\n")
    return path


def run_sacrebleu(*arguments: object) -> str:
    """Run sacreBLEU's command for BLEU and chrF2 with ten decimals and return what it prints."""
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        *map(str, arguments),
        "-m",
        "bleu",
        "chrf",
        "-w",
        "10",
        "-nc",
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SACREBLEU")}
    run = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=True, env=environment, timeout=60
    )
    return run.stdout


def score_lines(folder: Path, hyps: Sequence[str], *refs: Sequence[str], tgt: str = "en") -> SystemScores:
    hyp = write(folder / "hyp", hyps)
    paths = [write(folder / f"ref{n}", lines) for n, lines in enumerate(refs)]
    return score_system(hyp, paths, folder / "scores.json", tgt=tgt)


@pytest.mark.parametrize(
    ("rows", "tgt"), [([row[:2] for row in ENGLISH], "en"), (ENGLISH, "de"), (CHINESE, "zh_CN")]
)
def test_scores_and_signatures_equal_those_of_sacrebleus_command(
    tmp_path: Path, rows: list[tuple[str, ...]], tgt: str
) -> None:
    hyps, *references = zip(*rows, strict=True)
    scores = score_lines(tmp_path, hyps, *references, tgt=tgt)
    plain = [write(tmp_path / f"plain{n}", lines, plain=True) for n, lines in enumerate((hyps, *references))]
    tokenizer = ("-tok", "zh") if tgt == "zh_CN" else ()
    expected = json.loads(run_sacrebleu(*plain[1:], "-i", plain[0], *tokenizer))
    assert [metric.name for metric in scores.metrics] == ["BLEU", "chrF2"]
    for metric, reference in zip(scores.metrics, expected, strict=True):
        assert metric.score == pytest.approx(reference["score"], abs=1e-9)
        assert (metric.name, metric.signature) == (reference["name"], reference["signature"])
        assert metric.verbose.startswith(f"{metric.name}|{metric.signature} = {metric.score:.2f}")
    assert f"nrefs:{len(references)}|" in scores.metrics[0].signature
    assert ("tok:zh" if tgt == "zh_CN" else "tok:13a") in scores.metrics[0].signature


def test_score_system_computes_what_a_hand_does(tmp_path: Path) -> None:
    # "a b c d" against "a b c e": precisions 3/4, 2/3, 1/2 and, smoothed, 1/2 of 1/1; no brevity penalty.
    scores = score_lines(tmp_path, ["a b c d"], ["a b c e"])
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25
    assert scores.metrics[0].score == pytest.approx(expected)
    assert scores.sentence_scores["utt_000"][0] == pytest.approx(expected)
    # chrF2, blanks aside: "abcd" against "abce": orders 1 to 4 match 3/4, 2/3, 1/2, 0 on both sides.
    average = (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4
    assert scores.metrics[1].score == pytest.approx(100 * average)


def test_sentence_scores_use_the_effective_order(tmp_path: Path) -> None:
    # "a b" has no trigrams: BLEU over orders 1 and 2 is 100; corpus BLEU over four orders is 0.
    scores = score_lines(tmp_path, ["a b"], ["a b"])
    assert scores.sentence_scores["utt_000"] == pytest.approx((100.0, 100.0))
    assert scores.metrics[0].score == pytest.approx(0.0, abs=1e-9)
    assert "eff:yes" in scores.sentence_signatures[0]
    lines = (tmp_path / "sentences.tsv").read_text(encoding="utf-8").split("\n")
    assert lines == ["id\tBLEU\tchrF2", "utt_000\t100.0000\t100.0000", ""]


def test_rows_are_joined_by_id_and_never_by_position(tmp_path: Path) -> None:
    (tmp_path / "hyp").write_text("a one two three four\nc five six seven eight\n", encoding="utf-8")
    (tmp_path / "ref").write_text("a one two three four\nb five six seven eight\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)\b1\b.*\b(b|c)\b"):
        score_system(tmp_path / "hyp", tmp_path / "ref", tmp_path / "scores.json", tgt="en")
    assert not (tmp_path / "scores.json").exists()


@pytest.mark.parametrize("kept", [0, 2])
def test_a_hypothesis_table_that_lacks_sentences_is_refused(tmp_path: Path, kept: int) -> None:
    ref = write(tmp_path / "ref", ["one", "two", "three", "four"])
    hyp = write(tmp_path / "hyp", ["one", "two", "three", "four"][:kept])
    with pytest.raises(DataError):
        score_system(hyp, ref, tmp_path / "scores.json", tgt="en")


def test_empty_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sentence"):
        score_lines(tmp_path, [], [])


@pytest.mark.parametrize(
    ("hyps", "refs", "empty"),
    [(["", "a b"], ["a", "a b"], (1, 0)), (["a", "b"], ["", ""], (0, 2)), ([""], [""], (1, 1))],
)
def test_empty_sentences_are_scored_and_counted(
    tmp_path: Path, hyps: list[str], refs: list[str], empty: tuple[int, int]
) -> None:
    scores = score_lines(tmp_path, hyps, refs)
    assert (scores.empty_hypotheses, scores.empty_references) == empty
    assert scores.sentences == len(hyps) == len(scores.sentence_scores)
    assert scores.sentence_scores["utt_000"] == (0.0, 0.0)


def test_length_ratio_is_of_tokens_as_bleu_counts_them(tmp_path: Path) -> None:
    # 13a splits the full stop off: (2 + 4) / (4 + 4) tokens.
    assert score_lines(tmp_path, ["a.", "a b c d"], ["a b c.", "a b c d"]).length_ratio == 0.75


def test_scores_file_identifies_its_inputs(tmp_path: Path) -> None:
    scores = score_lines(tmp_path, ["a b c d"], ["a b c e"])
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    hyp = tmp_path / "hyp"
    assert content["hypotheses"] == {
        "path": str(hyp),
        "bytes": len("utt_000 a b c d\n"),
        "sha256": hashlib.sha256(b"utt_000 a b c d\n").hexdigest(),
    }
    assert [entry["path"] for entry in content["references"]] == [str(tmp_path / "ref0")]
    assert read_metrics(tmp_path / "scores.json") == list(scores.metrics)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hyp", "ref0", "scores.json", "sentences.tsv"]


def test_scores_are_stale_once_a_text_changes(tmp_path: Path) -> None:
    score_lines(tmp_path, ["a b"], ["a c"])
    files = tmp_path / "scores.json", tmp_path / "hyp", tmp_path / "ref0"
    assert not is_stale(*files)
    write(tmp_path / "hyp", ["a d"])
    assert is_stale(*files)


@pytest.mark.parametrize("content", ["{", "[]", '{"metrics": [{"name": "BLEU"}]}'])
def test_a_damaged_scores_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"scores\.json is not a file of scores"):
        read_metrics(tmp_path / "scores.json")


def test_an_unknown_tokenizer_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    hyp = write(tmp_path / "hyp", ["a"])
    with pytest.raises(ConfigError, match=r"'14a'.*13a.*ja-mecab"):
        score_system(hyp, hyp, tmp_path / "scores.json", tgt="en", tokenize="14a")


def test_a_tokenizer_that_is_not_installed_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    with pytest.raises(ConfigError, match=r"for 'ja': .*pip install sacrebleu\[ja\]"):
        score_lines(tmp_path, ["a"], ["a"], tgt="ja")


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four systems on 60 sentences: a baseline, a better one, one of another kind and the baseline again."""
    folder = tmp_path_factory.mktemp("systems")
    refs = [f"sentence number {n} says that {n % 7} of {n % 5} are right now ." for n in range(60)]
    texts = {
        "ref": refs,
        "real": [line.replace("says that", "tells") for line in refs],
        "synth": [line.replace("says", "said") if n % 2 else line for n, line in enumerate(refs)],
        "other": [line.replace("right now", "now") if n % 3 else line[:21] for n, line in enumerate(refs)],
    }
    for name, lines in texts.items():
        write(folder / name, lines)
        write(folder / f"{name}.plain", lines, plain=True)
    return folder


def test_comparisons_equal_those_of_sacrebleus_command(systems: Path) -> None:
    names = ("real", "synth", "other")
    real, *others = (systems / name for name in names)
    found = compare_systems(real, others, systems / "ref", tgt="en", resamples=200)
    plain = [systems / f"{name}.plain" for name in names]
    # Not as JSON: the command fails to write chrF2's numbers, which numpy 2 keeps as float32.
    plain = [systems / f"{name}.plain" for name in names]
    printed = run_sacrebleu(
        systems / "ref.plain", "-i", *plain, "--paired-bs", "--paired-bs-n", 200, "-f", "latex"
    )
    table = [line.split("&")[1:] for line in printed.split("\n") if ".plain" in line and "&" in line]
    expected = [[[float(x) for x in re.findall(r"\d+\.\d+", cell)] for cell in cells] for cells in table]
    assert [(item.system.name, item.metric) for item in found] == [
        (name, metric) for name in ("synth", "other") for metric in ("BLEU", "chrF2")
    ]
    for item, numbers in zip(found, expected[1] + expected[2], strict=True):
        assert [item.score, item.mean, item.ci] == pytest.approx(numbers[:3])
        assert item.p_value == pytest.approx(numbers[3], abs=5e-5)
        baseline = expected[0][0 if item.metric == "BLEU" else 1]
        assert [item.baseline_score, item.baseline_mean, item.baseline_ci] == pytest.approx(baseline)
        assert item.delta == pytest.approx(numbers[0] - baseline[0])
        assert f"{item.metric:<10} {item.signature}\n" in printed


def test_the_seed_decides_the_resamples_and_is_recorded(
    systems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "none")

    def compare(seed: int) -> list[object]:
        files = systems / "real", [systems / "other"], systems / "ref"
        return list(compare_systems(*files, tgt="en", resamples=20, seed=seed))

    assert compare(7) == compare(7) != compare(8)
    assert os.environ["SACREBLEU_SEED"] == "none"
    assert "seed:7" in str(compare(7)[0])


def test_a_system_does_not_differ_from_itself(systems: Path) -> None:
    found = compare_systems(systems / "real", [systems / "real"], systems / "ref", tgt="en", resamples=50)
    assert [(item.delta, item.p_value) for item in found] == [(0.0, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize(("resamples", "seed"), [(0, 1), (10, 0), (10, -1)])
def test_what_would_not_be_reproducible_is_refused(systems: Path, resamples: int, seed: int) -> None:
    files = systems / "real", [systems / "synth"], systems / "ref"
    with pytest.raises(ConfigError):
        compare_systems(*files, tgt="en", resamples=resamples, seed=seed)
