"""What `synthst COMMAND --help` shows: the function's whole docstring, and what its settings' fields say."""

import argparse
import inspect
import re
from collections.abc import Callable

from jsonargparse import DefaultHelpFormatter, set_parsing_settings

# a string below a dataclass's field explains the field
set_parsing_settings(docstring_parse_attribute_docstrings=True)


class CommandHelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keep the docstring's paragraphs, and call a path a path."""

    def _expand_help(self, action: argparse.Action) -> str:
        return super()._expand_help(action).replace("<class 'Path'>", "path")


def describe(command: Callable[..., object], *, positional: bool) -> str:
    """Return the docstring of ``command`` for readers of a terminal: its parameters are options there.

    With ``positional`` those without a default are not.
    """
    parameters = inspect.signature(command).parameters

    def name_option(marked: re.Match[str]) -> str:
        parameter = parameters.get(marked[1].split(".")[0])
        is_option = parameter and not (positional and parameter.default is parameter.empty)
        return f"--{marked[1]}" if is_option else marked[1]

    return re.sub(r"``([^`]+)``", name_option, inspect.getdoc(command) or "").replace("%", "%%")
