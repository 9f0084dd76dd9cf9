"""Plans: rows follow from command to command, sizes and hours from formulas, and what is unknown is "?"."""

import io
import sys
from pathlib import Path

import pytest
import yaml
from toy_task import write_pairs

from synthst.errors import ConfigError
from synthst.espnet.config import ModelConfig
from synthst.espnet.speech_config import SpeechModelConfig
from synthst.estimate.command import plan, show_bytes, show_hours
from synthst.estimate.commands import read_commands
from synthst.estimate.forecast import Estimate, Forecast
from synthst.estimate.rates import Expected, find_expected, find_shape, read_expected, read_rates
from synthst.estimate.work import frames_per_second, speech_parts, text_parts
from synthst.info import write_info

ROOT = Path(__file__).parents[1]
RATES = ROOT / "conf/rates.yaml"
PLANS = sorted(ROOT.glob("egs/*/*/conf/plan.yaml"))
NUMBERS = {
    "cpu": {"train_flops": 1e9, "decode_flops": 1e8},
    "gpu": {"train_flops": 1e12, "decode_flops": 1e11},
    "rows_per_second": {
        "replace_targets": 10,
        "decode": 100,
        "expand_with_speech": 10,
        "filter": 5,
        "subset": 20,
        "train_tokenizers": 40,
    },
    "audio_per_second": {"dump": 100, "dump_at_other_speed": 10},
    "bytes": {"sentence": 50, "tokens_row": 20, "stored_source": 70, "audio_second": 1000},
    "tokens_per_sentence": 10,
    "seconds_per_utterance": 3,
    "teachers": {
        "hf:known*": {
            "encoder_layers": 1,
            "decoder_layers": 1,
            "width": 8,
            "feedforward": 16,
            "vocabulary": 100,
        }
    },
}


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.yaml"
    path.write_text(yaml.safe_dump(NUMBERS), encoding="utf-8")
    return path


def forecast(rates: Path, lines: str, **expected: int) -> list[Estimate]:
    walk = Forecast(read_rates(rates), Expected(expected, {"speech*": 12.0}))
    return [walk.add(command) for command in read_commands(lines.splitlines())]


def test_the_papers_6x6_model_has_the_parameters_that_its_layers_add_up_to() -> None:
    # encoder layer: 4 * 512^2 + 2 * 512 * 2048 = 3,145,728; decoder layer: 8 * 512^2 + 2,097,152 = 4,194,304
    parts = text_parts(ModelConfig(encoder_layers=6, decoder_layers=6), 32_000)
    assert (parts.encoder, parts.decoder) == (6 * 3_145_728, 6 * 4_194_304)
    assert (parts.output, parts.embeddings) == (16_384_000, 2 * 16_384_000)
    assert (
        text_parts(ModelConfig(tied_embeddings=True), 32_000).parameters == parts.parameters - 2 * 16_384_000
    )
    assert parts.train_flops(2, 3) == 6 * (2 * parts.encoder + 3 * (parts.decoder + parts.output))
    assert parts.decode_flops(2, 3, beam=4) == 2 * (2 * parts.encoder + 12 * (parts.decoder + parts.output))


def test_a_conformer_layer_has_two_feed_forwards_attention_and_convolution() -> None:
    model = SpeechModelConfig(encoder_layers=17, width=512, feedforward=2048)
    assert speech_parts(model, 5_000).encoder == 17 * (4 * 512 * 2048 + 8 * 512**2)
    assert frames_per_second(model) == 25


def test_the_formula_counts_what_a_real_model_has() -> None:
    # make demo's student: 4,715,938 parameters with norms and biases, vocabulary 4,002, tied, width 256
    small = ModelConfig(
        encoder_layers=2, decoder_layers=2, width=256, feedforward=1024, heads=4, tied_embeddings=True
    )
    assert text_parts(small, 4_002).parameters == pytest.approx(4_715_938, rel=0.01)


def test_rows_go_from_command_to_command(rates: Path) -> None:
    lines = """1 synthst prepare_x --out d/corpus
1 synthst subset --data d/corpus/train --out d/real --size 40 --rest d/rest
3 synthst decode --teacher hf:x --data d/real --out e/store
4 synthst replace_targets --data d/real --out d/synth --store e/store
5 synthst expand_targets --base d/synth --extra d/rest --out d/mono
6 synthst tokens --data d/mono --out d/tokens --langs '[en, de]'
1 synthst combine_pairs --pairs '{en-de: d/real, en-fr: d/rest}' --out d/both
"""
    lines += "1 synthst filter --data d/mono --out d/clean\n"
    found = forecast(rates, lines, **{"d/corpus/train": 100, "d/clean": 90})
    assert [one.rows for one in found] == [100, 40, 40, 40, 100, 100, 100, 90]
    sizes = [10_000, 4_000, 2_800, 4_000, 10_000, 4_000, 10_000, 9_000]
    assert [one.bytes for one in found] == sizes
    assert found[3].hours == pytest.approx(40 / 10 / 3600)
    assert [one.gpu_hours for one in found] == [0] * 8
    assert found[2].hours is None  # nobody knows how fast a teacher from elsewhere is


def test_a_filter_takes_the_time_of_the_rows_that_it_reads(rates: Path) -> None:
    rows = {"d/corpus/raw": 88, "d/corpus/train": 57}
    lines = """1 synthst prepare_bitext --out d/corpus
1 synthst filter --data d/corpus/raw --out d/corpus/train
1 synthst subset --data d/corpus/train --out d/some --size 10 --rest d/rest
"""
    brought, cleaned, chosen = forecast(rates, lines, **rows)
    assert [one.rows for one in (brought, cleaned, chosen)] == [88, 57, 10]
    assert (brought.bytes, cleaned.bytes) == (88 * 100, 57 * 100)
    assert cleaned.hours == pytest.approx(88 / 5 / 3600)
    assert chosen.hours == pytest.approx(57 / 20 / 3600)


def test_a_dump_has_the_seconds_that_the_recipe_foretells(rates: Path, tmp_path: Path) -> None:
    settings = tmp_path / "audio.yaml"
    settings.write_text("speeds: [0.8, 1.0]\n", encoding="utf-8")
    lines = (
        f"6 synthst dump --data d --out e\n6 synthst dump --data speech/train --out f --config {settings}\n"
    )
    plain, long = forecast(rates, lines, d=10, **{"speech/train": 10})
    assert plain.bytes == 10 * 3 * 1000
    assert long.bytes == 10 * 12 * 2.25 * 1000
    assert plain.hours == pytest.approx(10 * 3 / 100 / 3600)
    assert long.hours == pytest.approx(10 * (12 / 0.8 / 10 + 12 / 100) / 3600)


def test_test_sets_of_speech_take_the_time_of_their_frames(rates: Path) -> None:
    shape = "--model.encoder_layers 1 --model.decoder_layers 1 --model.width 8 --model.feedforward 16"
    lines = f"""1 synthst prepare_corpus --out speech/test
6 synthst train_tokenizers --data speech/test --out tok --vocabulary_size 100
6 synthst dump --data speech/test --out dump/test
8 synthst train_speech --out e/st --tokenizers tok {shape}
10 synthst translate_speech --models '[e/st]' --audio dump --test_sets '[test]' --search.beam 2
12 synthst entropy --model e/st --data speech/test --audio dump/test --out e/st/entropy --search.beam 2
11 synthst results --out RESULTS.md
"""
    found = forecast(rates, lines, **{"speech/test": 10})
    # 12 s of 25 frames and 4 tokens each; encoder 2 * 2 * 8 * 16 + 8 * 64, decoder 8 * 64 + 2 * 8 * 16,
    # output 100 * 8
    hours = 10 * 2 * (300 * (512 + 512) + 2 * 48 * (512 + 256 + 800)) / 1e8 / 3600
    assert [found[4].hours, found[5].hours] == pytest.approx([hours, 1.5 * hours])
    assert found[0].rows == 10 and found[0].hours is None  # nobody has measured this corpus
    assert found[1].hours == pytest.approx(10 / 40 / 3600) and found[6].hours == 0.0


def test_hours_of_training_and_decoding_follow_from_the_model(rates: Path, tmp_path: Path) -> None:
    student = tmp_path / "student.yaml"
    model = "model: {encoder_layers: 1, decoder_layers: 1, width: 10, feedforward: 20, heads: 2}\n"
    student.write_text(f"{model}training: {{max_steps: 100, warmup_steps: 5}}\n", encoding="utf-8")
    steps = "--training.batch_tokens 50 --tokenizers t"
    lines = f"""2 synthst train_tokenizers --out t --vocabulary_size 30
8 synthst train --out e/m {steps} --config {student} --ngpu 0
8 synthst train --out e/gpu {steps} --config {student} --ngpu 4 --num_nodes 2
3 synthst decode --teacher e/m --data d --out e/store --search.beam 2
3 synthst decode --teacher e/m --data d --out e/shared --search.beam 2 --ngpu 4
10 synthst translate_sets --models '[e/m, e/gpu]' --data c --test_sets '[a, b]'
"""
    _, trained, spread, decoded, shared, sets = forecast(rates, lines, d=1_000, **{"c/a": 10, "c/b": 20})
    encoder, decoder, output = 4 * 100 + 400, 8 * 100 + 400, 300
    flops = 6 * 50 * (encoder + decoder + output) * 100
    assert trained.hours == pytest.approx(flops / 1e9 / 3600)
    assert spread.hours == pytest.approx(flops / 1e12 / 8 / 3600)
    assert (trained.gpu_hours, spread.gpu_hours) == (0, pytest.approx(flops / 1e12 / 3600))
    assert trained.bytes == 16 * (encoder + decoder + 3 * output)
    a_sentence = 2 * (10 * encoder + 2 * 10 * (decoder + output)) / 1e8
    assert decoded.hours == pytest.approx((1_000 / 100 + 1_000 * a_sentence) / 3600)
    assert shared.hours == pytest.approx((1_000 / 100 + 1_000 * a_sentence / 1e3 / 4) / 3600)
    assert (decoded.gpu_hours, shared.gpu_hours) == (0, pytest.approx(1_000 * a_sentence / 1e3 / 3600))
    beam4 = 2 * (10 * encoder + 4 * 10 * (decoder + output)) / 1e8
    assert sets.hours == pytest.approx(2 * 30 * beam4 / 3600)


def test_transcripts_take_the_teachers_time_when_they_are_translated(rates: Path) -> None:
    lines = """2 synthst teacher --teacher {} --out e/t
5 synthst expand_with_speech --base d --extra x --teacher e/t --out both --search.beam 2 --ngpu 2
"""
    (_, known), (_, unknown) = (
        forecast(rates, lines.format(f"hf:{name}"), d=40, x=100) for name in ("known", "x")
    )
    a_sentence = 2 * (10 * (4 * 64 + 256) + 2 * 10 * (8 * 64 + 256 + 800)) / 1e11 / 2
    assert (known.rows, unknown.rows, unknown.hours) == (140, 140, None)
    assert known.hours == pytest.approx((140 / 10 + 100 * a_sentence) / 3600)
    assert known.gpu_hours == pytest.approx(100 * a_sentence * 2 / 3600)


def test_a_teacher_from_elsewhere_takes_the_time_of_its_shape(rates: Path) -> None:
    lines = """2 synthst teacher --teacher hf:known-en-de --out e/t
3 synthst decode --teacher e/t --data d --out e/store --search.beam 2
"""
    (_, decoded) = forecast(rates, lines, d=100)
    a_sentence = 2 * (10 * (4 * 64 + 256) + 2 * 10 * (8 * 64 + 256 + 800)) / 1e8
    assert decoded.hours == pytest.approx((1 + 100 * a_sentence) / 3600)


def test_what_is_there_is_measured(rates: Path, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "real", [("a", "b")] * 7)
    write_info(data, {"step": "toy"}, counts={"kept": 7})
    lines = f"""1 synthst subset --data x --out {data} --size 7 --rest y
4 synthst replace_targets --data {data} --out {tmp_path}/synth --store s
"""
    there, to_do = forecast(rates, lines)
    assert (there.is_there, there.rows, there.hours) == (True, 7, 0.0)
    assert there.bytes == sum(path.stat().st_size for path in data.iterdir())
    assert (to_do.is_there, to_do.rows) == (False, 7)


def test_what_nobody_knows_is_a_question_mark(
    rates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace = "synthst replace_targets --data d --out nowhere/e --store s --src en --tgt de"
    lines = f"4 {replace}\n10 python local/own.py --no_option_of_ours\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    plan(rates)
    table = capsys.readouterr().out.split("\n")
    assert table[1].split() == ["4", "replace_targets", "?", "?", "nowhere/e"]
    assert table[2].split() == ["10", "python", "?", "?", "-"]
    assert "at least < 0.1 hours" in table[4] and "GPU" not in table[4]
    assert table[4].endswith("; of unknown length, and not in it: replace_targets, python")
    assert "These are estimates" in table[5]


def test_a_plan_sums_up_the_gpu_hours(
    rates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "done").mkdir()
    train = (
        "synthst train --tokens t --valid_tokens v --tokenizers p --src en --tgt de --ngpu 8 --num_nodes 2"
    )
    train += " --training.batch_tokens 100000 --training.max_steps 1000000"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"8 {train} --out a\n8 {train} --out {tmp_path}/done\n"))
    plan(rates)
    header, to_do, done, _, total, _ = capsys.readouterr().out.rstrip("\n").split("\n")
    assert header.split() == ["stage", "command", "rows", "size", "hours", "GPU", "hours", "writes"]
    # 6x6 of vocabulary 32,000: 6 * 1e5 * (6 * 3,145,728 + 6 * 4,194,304 + 16,384,000) * 1e6 / 1e12 / 3600
    assert to_do.split()[4:] == ["629", "10,071", "a"]
    assert done.split()[4:] == ["there", f"{tmp_path}/done"]
    assert "629 hours, one after the other, 10,071 GPU hours" in total


def test_a_long_plan_without_gpus_says_so(
    rates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = "8 synthst train --tokens t --valid_tokens v --tokenizers p --src en --tgt de --out nowhere/a"
    for steps, is_long in ((10, False), (10_000, True)):
        options = f"--training.batch_tokens 1000 --training.warmup_steps 1 --training.max_steps {steps}"
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{train} {options}\n"))
        plan(rates)
        assert ("These hours are on CPUs; give --ngpu N for GPUs." in capsys.readouterr().out) == is_long


def test_numbers_are_shown_with_their_units() -> None:
    assert [show_bytes(one) for one in (999, 1_000, 2.5e9, 3e15)] == [
        "999.0 B",
        "1.0 kB",
        "2.5 GB",
        "3000.0 TB",
    ]
    assert [show_hours(one) for one in (0.01, 0.26, 3.14, 1234.5)] == ["< 0.1", "0.3", "3.1", "1,234"]


def test_the_repositorys_rates_are_read_and_others_refused(rates: Path, tmp_path: Path) -> None:
    assert read_rates(RATES).cpu.train_flops == 1e11
    found = find_shape(read_rates(RATES).teachers, "hf:Helsinki-NLP/opus-mt-en-de")
    assert found is not None and (found[0].encoder_layers, found[0].width) == (6, 512)
    rates.write_text(yaml.safe_dump({**NUMBERS, "tpu": {}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="does not know tpu"):
        read_rates(rates)
    for wrong in ("many", "{hours: 3}", "{rows: 3, days: 1}", "{rows: 3, hours: -1}"):
        (tmp_path / "plan.yaml").write_text(f"a: {wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="a wants a number of rows"):
            read_expected(tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_text("a: 5\nb: {rows: 1200, hours: 2}\n", encoding="utf-8")
    assert read_expected(tmp_path / "plan.yaml") == ({"a": 5, "b": 1200}, {"b": 6.0})
    assert read_expected(tmp_path / "none.yaml") == ({}, {})
    with pytest.raises(ConfigError, match="no line of a recipe's --dry_run"):
        read_commands(["synthst decode"])


@pytest.mark.parametrize("path", PLANS, ids=lambda path: str(path.parents[1].relative_to(ROOT)))
def test_no_pattern_of_a_recipes_plan_hides_a_later_one(path: Path) -> None:
    rows = read_expected(path).rows
    found = {pattern: find_expected(rows, Path(pattern.replace("*", "x"))) for pattern in rows}
    assert found == dict(rows)


def test_an_option_that_is_no_yaml_is_a_word(rates: Path) -> None:
    (found,) = forecast(rates, "6 synthst tokens --data '@odd: [path' --out d/tokens\n")
    assert found.rows is None
