"""The versions that something is made with, and the commit of the code."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from synthst import __version__

PACKAGES = ("torch", "espnet", "sacrebleu")

CODE = (":(top)synthst", ":(top)conf", ":(top)tools", ":(top,glob)egs/*/*/conf/**", ":(top,glob)egs/*/*/*.sh")


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of what a score depends on, and the git commit; "-" if unknown."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "-"
    return versions | {"synthst": __version__, "commit": _commit(Path(__file__))}


def _commit(file: Path) -> str:
    """Return the commit of the checkout that tracks ``file``, marked when code or settings differ from it."""
    git = ("git", "-C", str(file.parent))
    if not read_output(*git, "ls-files", "--error-unmatch", "--", file.name):
        return "-"
    commit = read_output(*git, "rev-parse", "--short=10", "HEAD").strip()
    changes = read_output(*git, "status", "--porcelain", "--untracked-files=no", "--", *CODE).strip()
    return f"{commit} with changes" if commit and changes else commit or "-"


def read_output(*command: str) -> str:
    """Return what ``command`` prints, or nothing when it fails."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""
