"""What the machine can do, measured now: multiply-adds a second, and bytes of memory a second."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

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
    bandwidth: float
    """Bytes a second of the core's addition of large arrays: two are read, one is written."""
    threads: int

    __repr__ = fields_line


def measure_peaks() -> Peaks:
    """The best of three, in about 0.2 s and 96 MiB."""
    threads = _core.get_num_threads()
    flop = np.empty(threads)
    x, y, z = (np.ones(_FLOATS, np.float32) for _ in range(3))
    fastest, widest = 0.0, 0.0
    for _ in range(_REPEATS):
        begun = perf_counter()
        _core.fma_peak(_ROUNDS, flop)
        between = perf_counter()
        _core.add(x, y, z)
        ended = perf_counter()
        fastest = max(fastest, float(flop.sum()) / (between - begun))
        widest = max(widest, 3 * x.nbytes / (ended - between))
    return Peaks(fastest, widest, threads)
