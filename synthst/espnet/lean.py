"""Import ESPnet's MT task in a third of the time, and without its remark that flash_attn is not there.

The import loads torch's compiler, for a decorator that marks a function as not to be compiled; it loads the
aligners of a text-to-speech model, for a comparison of types when attention is plotted; it loads the models
of transformers where that is installed, for encoders that are such models; and it rewrites hundreds of
functions to check the types of their arguments; and it loads scipy's signal processing, for rooms' echoes.
Ours need none of that; the compiler and scipy.signal still load by themselves when something of them is used,
and ESPnet finds transformers when it was imported before.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
import typeguard

import synthst.espnet.gpu_memory
import synthst.espnet.kernel_cache  # noqa: F401

ALIGNERS = "espnet2.gan_tts.jets.alignments"


@contextlib.contextmanager
def lean_imports() -> Iterator[None]:
    """Stand in for all five while ESPnet is imported."""
    disable, typechecked = torch.compiler.disable, typeguard.typechecked
    aligners = ModuleType(ALIGNERS)
    aligners.AlignmentModule = type("AlignmentModule", (), {})  # type: ignore[attr-defined]
    signal = ModuleType("scipy.signal")  # scipy imports its own when it is asked for an attribute of it
    stand_ins: dict[str, Any] = {ALIGNERS: aligners, "scipy.signal": signal}
    stand_ins["transformers"] = None  # an import fails
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    torch.compiler.disable = typeguard.typechecked = keep  # type: ignore[assignment]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        torch.compiler.disable, typeguard.typechecked = disable, typechecked
        for name in stand_ins:
            del sys.modules[name]


def keep(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """Decorate with nothing."""
    return function or keep


with lean_imports():
    import espnet2.tasks.mt  # noqa: F401
