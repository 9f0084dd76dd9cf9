"""Lines go in and their translations come out: in order, at once, one for one."""

import io
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pytest
from fake_teacher import FakeTeacher, reverse

from synthst.errors import ConfigError, DataError
from synthst.teacher.kinds import name_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings
from synthst.translate_lines import read_batches, translate, translate_best, translate_lines

SECONDS = 20  # after which a test that waits in vain fails


def translate_text(teacher: FakeTeacher, text: str | bytes, **options: int) -> list[str]:
    out = io.BytesIO()
    lines = text.encode() if isinstance(text, str) else text
    count = translate_lines(teacher, io.BytesIO(lines), out, **options)
    translated = out.getvalue().decode().split("\n")
    assert translated.pop() == ""  # after the last \n
    assert count == len(translated)
    return translated


def read_line(file: BinaryIO) -> bytes:
    """Read a line, or fail when none comes."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(file.readline()), daemon=True)
    reader.start()
    reader.join(SECONDS)
    assert found, "no line came"
    return found[0]


@pytest.mark.parametrize("batch_lines", [1, 3, 512])
def test_translations_come_in_the_order_of_the_lines(batch_lines: int) -> None:
    lines = [f"line {number}" for number in range(100)]
    found = translate_text(FakeTeacher(), "".join(f"{line}\n" for line in lines), batch_lines=batch_lines)
    assert found == [reverse(line) for line in lines]


def test_blank_lines_stay_empty_and_reach_no_teacher() -> None:
    teacher = FakeTeacher()
    assert translate_text(teacher, "\none\n  \n\u3000\ntwo\n") == ["", reverse("one"), "", "", reverse("two")]
    assert teacher.asked == ["one", "two"]
    assert translate_text(teacher, "\n\n") == ["", ""]
    assert translate_text(teacher, "") == []


def test_a_last_line_without_an_end_and_windows_line_ends_are_lines() -> None:
    assert translate_text(FakeTeacher(), "one\r\ntwo") == [reverse("one"), reverse("two")]


def test_only_the_line_feed_ends_a_line_in_and_out() -> None:
    separators = "a\u2028b\u0085c\x0cd"
    assert translate_text(FakeTeacher(), f"{separators}\n") == [reverse(separators)]
    broken = FakeTeacher(lambda source: f"{source}\nmore\r\nlines")
    assert translate_text(broken, "a\nb\n") == ["a more  lines", "b more  lines"]


def test_what_is_not_utf8_is_named_and_the_lines_before_it_are_translated() -> None:
    out = io.BytesIO()
    with pytest.raises(DataError, match="line 3 is not UTF-8"):
        translate_lines(FakeTeacher(), io.BytesIO(b"one\n\n\xff\nfour\n"), out)
    assert out.getvalue().decode() == f"{reverse('one')}\n\n"


def test_the_best_hypothesis_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert translate_text(FakeTeacher(nbest=3, finished=False), "one\n\n") == [reverse("one"), ""]
    assert "2 lines translated, 1 cut off at the length limit" in caplog.text
    assert translate_best(FakeTeacher(), []) == []
    assert translate_best(FakeTeacher(), [" "]) == [Hypothesis("", 0.0, 0, True)]


def test_a_translation_comes_before_the_next_line_is_written() -> None:
    """A dialogue: whoever writes a line and waits for its translation gets it."""
    (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
    with open(read_in, "rb") as lines, open(write_out, "wb") as out, open(read_out, "rb") as answers:
        arguments = (FakeTeacher(), lines, out)
        worker = threading.Thread(target=translate_lines, args=arguments, daemon=True)
        worker.start()
        with open(write_in, "wb", buffering=0) as questions:
            for line in ("one", "two", "three"):
                questions.write(f"{line}\n".encode())
                assert read_line(answers).decode() == f"{reverse(line)}\n"
        worker.join(SECONDS)
        assert not worker.is_alive()


def test_batches_begin_small_and_grow_while_lines_wait() -> None:
    lines, sizes = [b"%d\n" % number for number in range(1000)], []
    read = []
    for batch in read_batches(io.BytesIO(b"".join(lines)), 64):
        sizes.append(len(batch))
        read += batch
        time.sleep(0.02)  # as a teacher would take it
    assert read == lines
    assert sizes[0] <= 8
    assert max(sizes) == 64
    assert all(size <= max(8, 2 * before) for before, size in pairwise(sizes))


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["model.bin", "config.json", "config.yaml"], "ct2"),
        (["config.yaml", "model.pth"], "espnet"),
        (["config.json", "model.safetensors"], "hf"),
    ],
)
def test_a_directory_is_known_by_what_is_in_it(files: list[str], kind: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert name_teacher(str(tmp_path)) == f"{kind}:{tmp_path}"
    assert name_teacher(f"espnet:{tmp_path}") == f"espnet:{tmp_path}"


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no model: neither model.bin"):
        name_teacher(str(tmp_path))
    with pytest.raises(DataError, match="is no directory; name a model's directory, a pack, or espnet:DIR"):
        name_teacher(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="is of no known kind"):
        translate("magic:wand")
    with pytest.raises(ConfigError, match="batch_lines is 0"):
        translate("file:table.tsv", batch_lines=0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.tsv"
    path.write_text("source\thypothesis\none\teins\ntwo\tzwei\n", encoding="utf-8")
    return path


def start(table: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synthst.cli", "translate", "--model", f"file:{table}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)


def test_the_command_translates_its_input_while_it_lasts(table: Path) -> None:
    process = start(table)
    assert process.stdin and process.stdout
    process.stdin.write(b"two\n")
    process.stdin.flush()
    assert read_line(process.stdout) == b"zwei\n"
    out, _ = process.communicate(b"\none\n", timeout=SECONDS)
    assert (out, process.returncode) == (b"\neins\n", 0)


def test_an_error_ends_the_command_though_its_input_goes_on(table: Path) -> None:
    process = start(table)
    assert process.stdin and process.stderr
    process.stdin.write(b"\xff\n")
    process.stdin.flush()
    assert process.wait(SECONDS) == 1
    error = process.stderr.read()
    assert b"line 1 is not UTF-8" in error
    assert b"Fatal" not in error


def test_a_reader_who_has_enough_is_no_error(table: Path) -> None:
    process = start(table)
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.wait(SECONDS) == 0
    assert b"Error" not in process.stderr.read()


@pytest.mark.parametrize("settings", [SearchSettings(beam=1)])
def test_the_settings_reach_the_teacher(
    settings: SearchSettings, table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, object] = {}

    def load(spec: str, chosen: SearchSettings, **options: object) -> FakeTeacher:
        asked.update(options, spec=spec, settings=chosen)
        return FakeTeacher()

    monkeypatch.setattr("synthst.translate_lines.load_teacher", load)
    (tmp_path / "in").write_bytes(b"")
    with (tmp_path / "in").open("rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        translate("hf:m", src="en", tgt="de", search=settings, options={"batch_tokens": 8}, ngpu=1)
    assert asked == {
        "spec": "hf:m", "settings": settings, "src": "en", "tgt": "de", "device": "cuda",
        "options": {"batch_tokens": 8},
    }  # fmt: skip
