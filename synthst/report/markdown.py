"""Keep generated sections in a Markdown file that people write in too."""

import re
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.errors import DataError


def section_key(*names: str) -> str:
    """Make a section's key of names: lower case, one hyphen for all but a-z, digits and dots."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(names).lower()).strip("-")


def write_section(out: Path, key: str, body: str) -> None:
    """Replace the section ``key`` of file ``out``, or append it; keep the rest byte by byte.

    A section stands between ``<!-- synthst: KEY -->`` and ``<!-- /synthst: KEY -->``, each a line of
    its own. Raises DataError when the two markers are not there once each, in this order.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    before = out.read_bytes().decode() if out.exists() else "# Results\n"
    begin, end = f"<!-- synthst: {key} -->", f"<!-- /synthst: {key} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    span = _find_section(before, begin, end, out)
    if span is None:
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        after = f"{before}{gap}{section}\n"
    else:
        after = before[: span[0]] + section + before[span[1] :]
    with atomic_file(out) as file:
        file.write(after.encode())


def read_section(path: Path, key: str) -> str:
    """Return the body of a section that `write_section` wrote, "" if there is none; DataError as there."""
    text = path.read_bytes().decode()
    begin, end = f"<!-- synthst: {key} -->", f"<!-- /synthst: {key} -->"
    span = _find_section(text, begin, end, path)
    return text[span[0] + len(begin) : span[1] - len(end)].strip() if span else ""


def fenced(text: str) -> str:
    """Return ``text`` as a block in which nothing is markup."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}\n"


def _find_section(text: str, begin: str, end: str, out: Path) -> tuple[int, int] | None:
    """Return where a section begins and ends, its markers included."""
    begins, ends = _find_lines(text, begin), _find_lines(text, end)
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise DataError(
            f"{out} should hold the lines {begin} and {end} once each, in this order; it holds"
            f" {len(begins)} and {len(ends)}: mend or remove them and run again"
        )
    return begins[0], ends[0] + len(end)


def _find_lines(text: str, line: str) -> list[int]:
    return [match.start() for match in re.finditer(rf"^{re.escape(line)}(?=[ \t]*\r?$)", text, re.MULTILINE)]
