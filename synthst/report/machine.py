"""Describe the machine and the versions that a result was made with."""

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from synthst import __version__

PACKAGES = ("torch", "espnet", "sacrebleu")

CODE = (":(top)synthst", ":(top)conf", ":(top)tools", ":(top,glob)egs/*/*/conf/**", ":(top,glob)egs/*/*/*.sh")


def describe_machine() -> str:
    """Return the processor, the usable cores, the memory in GiB and, when there are any, the GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [_processor(), f"{cores} cores", f"{memory:.0f} GiB memory", *_gpus()]
    return ", ".join(parts)


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of what a score depends on, and the git commit; "-" if unknown."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "-"
    return versions | {"synthst": __version__, "commit": _commit(Path(__file__))}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    listing = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    names = [line.strip() for line in listing.split("\n") if line.strip()]
    return [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]


def _commit(file: Path) -> str:
    """Return the commit of the checkout that tracks ``file``, marked when code or settings differ from it."""
    git = ("git", "-C", str(file.parent))
    if not _output(*git, "ls-files", "--error-unmatch", "--", file.name):
        return "-"
    commit = _output(*git, "rev-parse", "--short=10", "HEAD").strip()
    changes = _output(*git, "status", "--porcelain", "--untracked-files=no", "--", *CODE).strip()
    return f"{commit} with changes" if commit and changes else commit or "-"


def _output(*command: str) -> str:
    """Return what ``command`` prints, or nothing when it fails."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""
