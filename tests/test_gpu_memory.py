"""How torch's memory on a GPU grows, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest

from synthst.espnet.gpu_memory import NAME, SETTING

ASKED = """
import os, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "espnet2":  # whose trainer touches the GPU
            print(os.environ.get("PYTORCH_CUDA_ALLOC_CONF"))
sys.meta_path.insert(0, Watch())
import synthst.espnet.train
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, SETTING),
        ({NAME: "max_split_size_mb:64"}, "max_split_size_mb:64"),
        ({"PYTORCH_ALLOC_CONF": "max_split_size_mb:64"}, "None"),
    ],
)
def test_memory_grows_in_place_unless_the_environment_says_otherwise(
    given: dict[str, str], found: str
) -> None:
    ours = {key: value for key, value in os.environ.items() if key not in (NAME, "PYTORCH_ALLOC_CONF")}
    command = [sys.executable, "-c", ASKED]
    done = subprocess.run(command, env={**ours, **given}, capture_output=True, text=True, check=True)
    assert done.stdout == f"{found}\n"
