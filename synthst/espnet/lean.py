"""Import ESPnet's MT task in half the time, and without its remark on stderr that flash_attn is not there.

The import loads torch's compiler, for a decorator that marks a function as not to be compiled; it loads the
aligners of a text-to-speech model, for a comparison of types when attention is plotted; and it rewrites
hundreds of functions to check the types of their arguments. Translation needs none of that; the compiler
still loads by itself when something is to be compiled.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
import typeguard

ALIGNERS = "espnet2.gan_tts.jets.alignments"


@contextlib.contextmanager
def lean_imports() -> Iterator[None]:
    """Stand in for all three while ESPnet is imported."""
    disable, typechecked = torch.compiler.disable, typeguard.typechecked
    stand_in = ModuleType(ALIGNERS)
    stand_in.AlignmentModule = type("AlignmentModule", (), {})  # type: ignore[attr-defined]
    known = ALIGNERS in sys.modules
    sys.modules.setdefault(ALIGNERS, stand_in)
    torch.compiler.disable = typeguard.typechecked = keep  # type: ignore[assignment]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        torch.compiler.disable, typeguard.typechecked = disable, typechecked
        if not known:
            del sys.modules[ALIGNERS]


def keep(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """Decorate with nothing."""
    return function or keep


with lean_imports():
    import espnet2.tasks.mt  # noqa: F401
