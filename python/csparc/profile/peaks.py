"""What the machine can do, measured now: multiply-adds a second, and bytes of memory a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from csparc import _core
from csparc._repr import fields_line

_ROUNDS, _REPEATS = 400_000, 3
_FLOATS = 8 << 20
"""Of one array, 32 MiB: larger than the caches of most processors."""


@dataclass(frozen=True)
class Peaks:
    """The most of either, with as many threads as the core has now."""

    flop: float
    """FLOP a second of nothing but multiply-adds in float32 (csparc/la/peak.c)."""
    bf16: float
    """The same of bfloat16 products."""
    bandwidth: float
    """Bytes a second of the core's addition of large arrays: two are read, one is written."""
    threads: int

    __repr__ = fields_line


def measure_peaks() -> Peaks:
    """The best of three, in about 0.2 s and 96 MiB."""
    threads = _core.get_num_threads()
    flop = np.empty(threads)
    x, y, z = (np.ones(_FLOATS, np.float32) for _ in range(3))
    fastest, rounded, widest = 0.0, 0.0, 0.0
    for _ in range(_REPEATS):
        spent = _seconds(_core.fma_peak, _ROUNDS, flop)
        fastest = max(fastest, float(flop.sum()) / spent)
        spent = _seconds(_core.bf16_peak, _ROUNDS, flop)
        rounded = max(rounded, float(flop.sum()) / spent)
        widest = max(widest, 3 * x.nbytes / _seconds(_core.add, x, y, z))
    return Peaks(fastest, rounded, widest, threads)


def _seconds(op: Callable[..., None], *arguments: Any) -> float:
    begun = perf_counter()
    op(*arguments)
    return perf_counter() - begun
