"""Products of the fused losses on one core, as fractions of the FMA peak.

    CSPARC_ISA=avx2 python benchmarks/bench_tiles.py --patches 196 --tokens 55 --width 512

The peak is measured between the repeats of every product, in this process and with the same
instruction set. Both count the processor time of this thread, best of many short repeats, so that
other work on the machine disturbs them little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import csparc
from csparc import _core

REPEATS, CALLS, ROUNDS = 80, 4, 40_000
FETCH, STREAM = 2, 1


def rate(flop: float, call: Callable[[], None], calls: int = CALLS) -> float:
    """FLOP per second of ``calls`` calls."""
    start = time.thread_time()
    for _ in range(calls):
        call()
    return calls * flop / (time.thread_time() - start)


def peak() -> float:
    flop = np.empty(1)
    start = time.thread_time()
    _core.fma_peak(ROUNDS, flop)
    return float(flop[0]) / (time.thread_time() - start)


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
        "dT = G' C + dS' V": (wide + tall, lambda: _core.product_pair(g, t, a, v, c)),
        "U = C T'": (tall, lambda: _core.product(c, xt, none, none, 0, u)),
        "dC = G T + e C": (tall, lambda: _core.product(g, t, e, c, 0, dc)),
        "dV = A dC + dS T": (
            2 * wide,
            lambda: _core.product(wide_a, wide_b, none, none, STREAM, dv),
        ),
        "transpose, as S": (wide, lambda: _core.transpose(t, xt)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patches", type=int, default=196)
    parser.add_argument("--tokens", type=int, default=55)
    parser.add_argument("--width", type=int, default=512)
    args = parser.parse_args()
    csparc.set_num_threads(1)
    print(f"{_core.config()['isa']}: P {args.patches}, L {args.tokens}, D {args.width}, one core")
    for name, (flop, call) in products(args.patches, args.tokens, args.width).items():
        tops, rates = [], []
        for _ in range(REPEATS):
            tops.append(peak())
            rates.append(rate(flop, call))
        print(f"  {name:18s} {max(rates) / max(tops):7.1%} of the FMA peak")


if __name__ == "__main__":
    main()
