"""The errors that are the user's to mend; the command line prints them without a traceback."""

import importlib.util
import shlex
import shutil
import sys
from pathlib import Path


class SynthstError(Exception):
    """Say what was wanted, what was found, where, and what to do next."""


class DataError(SynthstError):
    """A file or directory does not hold what it should."""


class ConfigError(SynthstError):
    """An option or a configuration file asks for what cannot be done."""


def install_command(extra: str) -> str:
    """Return what to do to get the packages of an extra of setup.py into the environment that runs.

    tools/setup.sh makes it with uv and without pip, and installs synthst from the checkout.
    """
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / "setup.py").is_file():
        return f"install synthst again with its extra {extra}"
    uv = shutil.which("uv") or (str(checkout / ".uv/bin/uv") if (checkout / ".uv/bin/uv").is_file() else None)
    if uv is None and importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install"]
    else:
        command = [uv or "uv", "pip", "install", "--python", sys.executable]
    return f"run {shlex.join([*command, '-e', f'{checkout}[{extra}]'])}"
