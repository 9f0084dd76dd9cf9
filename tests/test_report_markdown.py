"""Generated sections of RESULTS.md beside what people wrote there."""

from pathlib import Path

import pytest

from synthst.errors import DataError
from synthst.report.markdown import fenced, section_key, write_section


def test_write_section_replaces_its_own_and_keeps_the_rest_byte_by_byte(tmp_path: Path) -> None:
    out = tmp_path / "RESULTS.md"
    mine = (
        "# Mine\r\n\r\nkept\u2028 <!-- synthst: en-de -->\r\n\n<!-- synthst: de -->\n.\n<!-- /synthst: de -->"
    )
    out.write_bytes(mine.encode())
    write_section(out, "en-de", "first")
    write_section(out, "fr", "third")
    write_section(out, "en-de", "second\n")
    assert out.read_bytes().decode() == (
        f"{mine}\n\n<!-- synthst: en-de -->\nsecond\n<!-- /synthst: en-de -->\n"
        "\n<!-- synthst: fr -->\nthird\n<!-- /synthst: fr -->\n"
    )


def test_write_section_twice_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "new" / "RESULTS.md"
    write_section(out, "k", "body")
    first = out.read_bytes()
    write_section(out, "k", "body")
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    "text",
    [
        "<!-- synthst: k -->\n",
        "<!-- /synthst: k -->\n<!-- synthst: k -->\n",
        "<!-- synthst: k -->\n<!-- synthst: k -->\n<!-- /synthst: k -->\n",
    ],
)
def test_write_section_refuses_broken_markers(tmp_path: Path, text: str) -> None:
    out = tmp_path / "RESULTS.md"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="once each"):
        write_section(out, "k", "body")
    assert out.read_text(encoding="utf-8") == text


def test_section_keys_cannot_end_a_comment() -> None:
    assert section_key("en-de", "LibreOffice, preset mini --> x") == "en-de-libreoffice-preset-mini-x"


def test_fenced_text_cannot_end_its_block() -> None:
    assert fenced("a ``` b\n") == "````\na ``` b\n````\n"
