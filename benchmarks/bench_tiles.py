"""Products of the fused losses on one core, as fractions of the FMA peak.

    python benchmarks/bench_tiles.py --case avx2

P 196, L 55, D 512, float32, with the kernels of each instruction set. FLOP of padding do not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core

SIZES = (196, 55, 512)
REPEATS, CALLS = 20, 20
TRANSPOSE = "transpose of T"
FETCH, STREAM = 2, 1


def aligned(*shape: int) -> np.ndarray:
    """Random numbers that start a cache line."""
    size = int(np.prod(shape))
    room = np.empty(size + 16, np.float32)
    skip = -room.ctypes.data % 64 // 4
    array = room[skip : skip + size].reshape(shape)
    array[...] = np.random.default_rng(0).normal(size=shape)
    return array


def products(P: int, L: int, D: int) -> dict[str, tuple[float, Callable[[], None]]]:
    """FLOP that count (padding does not) and call, by name."""
    lanes = -(-L // 8) * 8
    v, t, c, dc, dv = (aligned(n, D) for n in (P, L, L, L, P))
    xt, s, a, u = aligned(D, lanes), aligned(P, lanes), aligned(P, L), aligned(L, lanes)
    g, e = aligned(L, L), aligned(L)
    wide, tall = 2.0 * L * P * D, 2.0 * L * L * D
    wide_a, wide_b = aligned(P, 2 * L), aligned(2 * L, D)
    none = None
    return {
        "S = V T'": (wide, lambda: _core.product(v, xt, none, none, FETCH, s)),
        "dT = G' C + dS' V": (wide + tall, lambda: _core.product_two_terms(g, t, a, v, c)),
        "U = C T'": (tall, lambda: _core.product(c, xt, none, none, 0, u)),
        "dC = G T + e C": (tall, lambda: _core.product(g, t, e, c, 0, dc)),
        "dV = A dC + dS T": (
            2 * wide,
            lambda: _core.product(wide_a, wide_b, none, none, STREAM, dv),
        ),
        TRANSPOSE: (1.0, lambda: _core.transpose(t, xt)),
    }


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    found = products(*SIZES)
    entries = {name: call for name, (_, call) in found.items()}
    work = {name: flop for name, (flop, _) in found.items()}
    result = interleave(entries, work, REPEATS, limits, calls=CALLS)
    similarity = next(iter(found))
    result.figures = {
        f"{TRANSPOSE}, % of {similarity}": 100 * result.best(TRANSPOSE) / result.best(similarity)
    }
    del result.seconds[TRANSPOSE], result.work[TRANSPOSE]  # no FLOP: nothing to rate it by
    result.compared = False
    result.notes["isa"] = _core.config()["isa"]
    return result


if __name__ == "__main__":
    cases = {isa: Setting(isa, threads=1) for isa in ("avx512", "avx2", "portable")}
    main(__file__, run, cases, __doc__.split("\n")[0])
