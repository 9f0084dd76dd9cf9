"""Describe the machine that a result was made with."""

import os
import platform
import shutil
from pathlib import Path

from synthst.versions import read_output


def describe_machine() -> str:
    """Return the processor, the usable cores, the memory in GiB and, when there are any, the GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [_processor(), f"{cores} cores", f"{memory:.0f} GiB memory", *_gpus()]
    return ", ".join(parts)


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
    listing = read_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    names = [line.strip() for line in listing.split("\n") if line.strip()]
    return [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
