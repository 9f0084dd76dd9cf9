"""How many of oneDNN's kernels are kept."""

import os
import subprocess
import sys

import pytest

from synthst.espnet.kernel_cache import KERNELS
from synthst.espnet.train import has_bfloat16

NAME = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
MULTIPLY_TWICE = """
import synthst.espnet.lean
import torch
weight = torch.ones(32, 32, dtype=torch.bfloat16)
for rows in (*range(40, 180), *range(40, 180)):
    torch.nn.functional.linear(torch.ones(rows, 32, dtype=torch.bfloat16), weight)
"""


@pytest.mark.skipif(not has_bfloat16(0), reason="this processor multiplies no bfloat16")
@pytest.mark.parametrize(
    ("given", "compiled"), [({}, 280), ({NAME: "1024", "LRU_CACHE_CAPACITY": "1024"}, 140)]
)
def test_a_kernel_is_forgotten_after_so_many_others_unless_the_environment_says_otherwise(
    given: dict[str, str], compiled: int
) -> None:
    assert int(KERNELS) < 140
    ours = {key: value for key, value in os.environ.items() if key not in (NAME, "LRU_CACHE_CAPACITY")}
    printed = subprocess.run(
        [sys.executable, "-c", MULTIPLY_TWICE],
        env={**ours, **given, "ONEDNN_VERBOSE": "profile_create", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.count("create:cache_miss") == compiled
