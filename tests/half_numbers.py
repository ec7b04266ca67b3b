"""bfloat16 in plain NumPy, without its bits: the reference of what the core rounds to."""

from __future__ import annotations

import numpy as np

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
