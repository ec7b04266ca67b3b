"""Random numbers for the package: counter-based, the same on every machine and NumPy version.

Every function takes ``seed`` (an integer of up to 64 bits) and ``stream``, an integer or a tuple of
integers that says what the numbers are for, for example ``(PURPOSE, epoch, index)``. Equal
arguments give equal numbers; nothing is remembered between calls. Only NumPy operations that IEEE
754 rounds correctly are used, never its generators or its ``log`` and ``cos``, whose last bits
differ between versions and processors.
"""

from __future__ import annotations

import math

import numpy as np

from csparc import _core

_MASK = (1 << 64) - 1


def signed(value: int) -> int:
    """The same 64 bits as the signed number the C edge takes."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _words(seed: int, stream: int, n: int) -> np.ndarray:
    out = np.empty(n, dtype=np.uint64)
    _core.rng_bits(signed(seed), signed(stream), 0, out)
    return out


def bits(seed: int, stream: int | tuple[int, ...], n: int) -> np.ndarray:
    """``n`` words of 64 random bits, uint64 [n] (Philox4x32-10, csparc/base/rng.h).

    A tuple is folded into one key and one stream: each integer but the last turns the seed into a
    new one, so ``(1, 2)`` and ``(2, 1)`` and ``2`` are different streams.
    """
    parts = (stream,) if isinstance(stream, (int, np.integer)) else tuple(stream)
    key = int(seed)
    for part in parts[:-1]:
        key = int(_words(key, int(part), 1)[0])
    return _words(key, int(parts[-1]), n)


def integers(seed: int, stream: int | tuple[int, ...], n: int, high: int) -> np.ndarray:
    """``n`` integers in [0, high), int64 [n], by multiply and shift; ``high`` up to 2**32."""
    if not 1 <= high <= 1 << 32:
        raise ValueError(f"high: expected 1 to 2**32, found {high}")
    upper = bits(seed, stream, n) >> np.uint64(32)
    return ((upper * np.uint64(high)) >> np.uint64(32)).astype(np.int64)


def uniform(
    seed: int, stream: int | tuple[int, ...], n: int, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """``n`` numbers in [low, high), float64 [n], from 53 bits each."""
    unit = (bits(seed, stream, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return low + (high - low) * unit


def normal(seed: int, stream: int | tuple[int, ...], n: int) -> np.ndarray:
    """``n`` standard normal numbers, float64 [n] (Box and Muller 1958, both of each pair)."""
    pairs = (n + 1) // 2
    unit = uniform(seed, stream, 2 * pairs)
    radius = np.sqrt(-2.0 * _log(1.0 - unit[0::2]))
    cosine, sine = _cos_sin_turns(unit[1::2])
    return np.stack([radius * cosine, radius * sine], axis=1).reshape(-1)[:n]


def permutation(seed: int, stream: int | tuple[int, ...], n: int) -> np.ndarray:
    """A permutation of 0 .. n-1, int64 [n]: the stable order of ``n`` random keys of 64 bits."""
    return np.argsort(bits(seed, stream, n), kind="stable").astype(np.int64)


def choice(seed: int, stream: int | tuple[int, ...], high: int) -> int:
    """One integer in [0, high)."""
    return int(integers(seed, stream, 1, high)[0])


def _log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of 0 < x <= 1 within 2e-16 relative to max(1, |log x|).

    x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh((m - 1) / (m + 1)).
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    exponent = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.zeros_like(s)
    for k in range(21, 0, -2):
        series = series * square + 1.0 / k
    return 2.0 * s * series + exponent * 0.6931471805599453


def _cos_sin_turns(turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi x for 0 <= x < 1, by Taylor series on an eighth of a turn."""
    quarter = np.floor(4.0 * turns + 0.5)
    angle = (turns - 0.25 * quarter) * 6.283185307179586  # the difference is exact
    square = angle * angle
    cosine, sine = np.zeros_like(angle), np.zeros_like(angle)
    for k in range(18, -1, -2):
        cosine = cosine * -square + 1.0 / math.factorial(k)
        sine = sine * -square + 1.0 / math.factorial(k + 1)
    sine = sine * angle
    swap, negative_cosine = quarter % 2 == 1, (quarter == 1) | (quarter == 2)
    negative_sine = (quarter == 2) | (quarter == 3)
    cosine, sine = np.where(swap, sine, cosine), np.where(swap, cosine, sine)
    return np.where(negative_cosine, -cosine, cosine), np.where(negative_sine, -sine, sine)
