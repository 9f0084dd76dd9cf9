"""The documentation names commands, options, files and headings that are there."""

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from synthst.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "egs/**/README.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\[[^]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^```.*?^```|^(?: {4}[^\n]*\n)+|`[^`\n]+`", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^(?: {4}[^\n]*\n)+", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--([a-z]\w*(?:[.-]\w+)*)")
ROWS = {"float32", "bfloat16", "espnet", "ct2"}
"""What stands behind our name in the tables of benchmarks."""
COMMON = {"stage", "stop_stage", "dry_run", "num_nodes", "licence", "help"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return what links may point at, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def calls(page: Path, program: str, codes: re.Pattern[str] = CODE) -> Iterator[list[str]]:
    """Yield the words behind each ``program`` in a page's code; continued lines are put together."""
    for code in codes.findall(page.read_text(encoding="utf-8")):
        for line in re.sub(r"\\\n\s*", " ", code.strip("`")).split("\n"):
            for part in re.split(r"&& | \| |; |\bdo ", re.sub(r"\s#.*", "", line)):
                if found := re.match(rf"\s*(?:sbatch .*\S )?{re.escape(program)}(?: ([^<>]*)|$)", part):
                    yield (found[1] or "").split()


@functools.cache
def options_of(command: str) -> set[str]:
    module, function, _ = COMMANDS[command]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(getattr(importlib.import_module(f"synthst.{module}"), function))
    return {"config", "help", *(key for key, _ in parser.get_defaults().items(branches=True))}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for place, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in place:
            target = (page.parent / place).resolve() if place else page
            assert target.exists(), place
            assert not anchor or anchor in anchors(target), f"{place}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in calls(page, "synthst"):
        if words and re.fullmatch(r"[a-z]\w*", words[0]) and words[0] not in ROWS:
            assert words[0] in COMMANDS, words
            assert set(OPTION.findall(" ".join(words))) <= options_of(words[0]), words


@functools.cache
def required_by(command: str) -> set[str]:
    module, function, _ = COMMANDS[command]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(getattr(importlib.import_module(f"synthst.{module}"), function))
    return {action.dest for action in parser._actions if action.required and action.option_strings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_whole_commands_have_the_options_that_they_require(page: Path) -> None:
    """A command with an ellipsis, or with its first option as a bare word, is left to the eye."""
    for words in calls(page, "synthst", BLOCK):
        if words[0] in COMMANDS and words[1:2] and words[1].startswith("--") and "..." not in words:
            assert required_by(words[0]) <= set(OPTION.findall(" ".join(words))), words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_of_recipes_exist(page: Path) -> None:
    """An option of ./run.sh is one of the page's own recipe, or, elsewhere, of any."""
    own = page.with_name("run.sh")
    scripts = [own] if own.exists() else sorted(ROOT.glob("egs/*/*/run.sh"))
    known = {*COMMON}
    for script in scripts:
        found = re.search(r'^options="(.*)"$', script.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, script
        known.update(found[1].split())
    for words in calls(page, "./run.sh"):
        assert set(OPTION.findall(" ".join(words))) <= known, words


def test_pages_and_commands_are_found() -> None:
    """So that the tests above cannot pass by reading nothing."""
    readme = ROOT / "README.md"
    assert len(PAGES) > 15 and sum(1 for _ in calls(readme, "synthst")) > 10
    assert sum(1 for _ in calls(readme, "./run.sh")) > 1
