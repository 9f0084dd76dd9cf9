"""Random numbers that depend on a key, never on what was drawn before or beside them."""

import torch
from torch import Tensor

_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_STRIDES = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xABC98388FB8FAC03, 0x8CB92BA72F3D8DD7)


def gumbel_noise(keys: Tensor, tokens: Tensor, *, seed: int, step: int) -> Tensor:
    """Return standard Gumbel noise for ``tokens`` (sentences, width, candidates), float32.

    Each number is a function of the seed, the sentence's key, the place in the width, the step and
    the token alone. The hash is SplitMix64's finaliser (Steele, Lea and Flood, 2014).
    """
    draws = torch.arange(tokens.size(1), device=tokens.device).unsqueeze(1)
    seed_part, step_part = (
        _signed(value * stride) for value, stride in zip((seed, step), _STRIDES[:2], strict=True)
    )
    mixed = _mix(_mix(keys + seed_part) + step_part).view(-1, 1, 1)
    bits = _mix(_mix(mixed + draws * _signed(_STRIDES[2])) + tokens * _signed(_STRIDES[3]))
    uniform = (_shift(bits, 11).double() + 0.5) * 2.0**-53
    return -(-uniform.log()).log().float()


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _signed(_MULTIPLIERS[0])
    x = (x ^ _shift(x, 27)) * _signed(_MULTIPLIERS[1])
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right filling with zeros, as int64 does not."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """Wrap to int64, as its products do."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value
