"""bfloat16 in plain NumPy, without its bits: the reference of what the core rounds to."""

from __future__ import annotations

import numpy as np
from loss_batches import draw

DIGITS = 8
"""Binary digits of a significand, the hidden one included."""


def rounded(x: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of every float, ties to even, as float32; not for denormals."""
    significand, exponent = np.frexp(np.asarray(x, np.float64))
    with np.errstate(over="ignore"):
        return np.ldexp(np.round(np.ldexp(significand, DIGITS)), exponent - DIGITS).astype(
            np.float32
        )


def bits(x: np.ndarray) -> np.ndarray:
    """uint16 bits of numbers that are bfloat16 already."""
    words = np.ascontiguousarray(x, np.float32).view(np.uint32)
    assert ((words & 0xFFFF) == 0).all(), "not bfloat16"
    return (words >> 16).astype(np.uint16)


def drawn(rng: np.random.Generator, **sizes: int) -> dict[str, np.ndarray]:
    """A batch of numbers that are bfloat16, as float32."""
    return {name: rounded(value) for name, value in draw(rng, np.float32, **sizes).items()}


def without_globals(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: batch[name] for name in ("patches", "tokens")}
