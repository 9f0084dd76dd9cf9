"""Let a model compute in bfloat16 on a GPU, without scaling its loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def in_bfloat16(model: Any, *, enabled: bool) -> Iterator[None]:
    """Let ``model``, which may be torch's DistributedDataParallel, compute in bfloat16 on a GPU meanwhile.

    ESPnet's trainer would, too, but scale losses besides, as float16 needs it. bfloat16 has float32's range:
    the scale doubles every 2,000 steps until it overflows, and costs a pass over the gradients in each.
    """
    module = getattr(model, "module", model)
    forward = module.forward
    if enabled:
        module.forward = torch.autocast("cuda", torch.bfloat16)(forward)
    try:
        yield
    finally:
        module.forward = forward
