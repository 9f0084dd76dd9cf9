"""The Conformer's convolution on several threads, in a process that can be ended."""

import subprocess
import sys

import pytest

from synthst.espnet.train import has_bfloat16

# Along images as wide as these are long, oneDNN 3.10 compiles without end on so many threads.
CONVOLVE = """
import torch
from synthst.espnet.fast_convolution import depthwise
torch.set_num_threads({threads})
module = torch.nn.Conv1d(144, 144, 15, padding=7, groups=144)
for sentences, frames in {shapes}:
    x = torch.randn(sentences, frames, 144)
    wanted = module(x.mT).mT
    with torch.autocast("cpu", torch.bfloat16):
        got = depthwise(module, x)
    torch.testing.assert_close(got.float(), wanted, rtol=0.05, atol=0.05)
    print(frames)
"""


@pytest.mark.skipif(not has_bfloat16(0), reason="this processor multiplies no bfloat16")
@pytest.mark.parametrize(
    ("threads", "shapes"), [(2, [(1, 200), (5, 536), (7, 220)]), (4, [(1, 604), (6, 662)]), (16, [(4, 376)])]
)
def test_no_length_of_a_batch_keeps_several_threads_compiling(
    threads: int, shapes: list[tuple[int, int]]
) -> None:
    command = CONVOLVE.format(threads=threads, shapes=shapes)
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    assert [int(line) for line in done.stdout.split()] == [frames for _, frames in shapes]
