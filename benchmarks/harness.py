"""How every comparison here is made: a fresh process with a fixed number of threads, peers
interleaved in one run, the ratio first, the spread beside it, and the FMA peak of the same process.

A script defines ``run(case, threads) -> Measurement`` and ends with ``main(__file__, run, cases)``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

THREAD_VARIABLES = ("CSPARC_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
PEAK_ROUNDS = 40_000


@dataclass
class Measurement:
    """Seconds of every repeat by peer name; the first peer is the one measured against others."""

    seconds: dict[str, list[float]]
    flop: float
    """Useful floating-point operations of one call."""
    peak: float = 0.0
    """FMA peak in FLOP/s of float32 on as many threads, best of the repeats."""
    notes: dict[str, str] = field(default_factory=dict)


def fma_peak(threads: int) -> float:
    """FLOP per second of nothing but multiply-adds, now."""
    from csparc import _core

    flop = np.empty(threads)
    start = time.perf_counter()
    _core.fma_peak(PEAK_ROUNDS, flop)
    return float(flop.sum()) / (time.perf_counter() - start)


def interleave(
    peers: dict[str, Callable[[], object]], repeats: int, threads: int, flop: float
) -> Measurement:
    """Time the peers in turn, so that a busy moment of the machine strikes all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    peak = 0.0
    for call in peers.values():
        call()  # first calls allocate and compile
    for _ in range(repeats):
        peak = max(peak, fma_peak(threads))
        for name, call in peers.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return Measurement(seconds, flop, peak)


def report(case: str, threads: int, result: Measurement) -> None:
    """One block a case: ratio of the fastest repeats, then times and spread, then efficiency."""
    names = list(result.seconds)
    best = {name: min(times) for name, times in result.seconds.items()}
    print(f"{case}, {threads} thread{'s' if threads > 1 else ''}")
    for name in names[1:]:
        print(f"  {best[name] / best[names[0]]:6.2f} x faster than {name}")
    for name in names:
        median = sorted(result.seconds[name])[len(result.seconds[name]) // 2]
        print(
            f"  {name:22s} {best[name] * 1e3:8.1f} ms  (median {median * 1e3:.1f}, "
            f"{len(result.seconds[name])} repeats)  {result.flop / best[name] / 1e9:6.1f} GFLOP/s  "
            f"{result.flop / best[name] / result.peak:6.1%} of the FMA peak"
        )
    for label, text in result.notes.items():
        print(f"  {label}: {text}")
    print(flush=True)


def main(
    script: str, run: Callable[[str, int], Measurement], cases: list[str], description: str
) -> None:
    """Command line: run every case in a process of its own, or, as that process, one case."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--case", choices=cases, help="only this one")
    parser.add_argument("--json", action="store_true", help="one line of JSON, in this process")
    args = parser.parse_args()
    if args.json:
        print(json.dumps(asdict(run(args.case, args.threads))))
        return
    environment = os.environ | {name: str(args.threads) for name in THREAD_VARIABLES}
    for case in [args.case] if args.case else cases:
        command = [sys.executable, script, "--json", "--case", case, "--threads", str(args.threads)]
        output = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
        report(case, args.threads, Measurement(**json.loads(output.stdout.splitlines()[-1])))
