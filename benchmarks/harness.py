"""How everything here is timed: a fresh process for every case with a fixed number of threads,
entries interleaved in one run, and the FMA peak of the same process.

A script defines ``run(case, limits) -> Measurement`` and ends with ``main(__file__, run, cases)``.
What is said of the times is in results.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from results import Measurement, Record, lines, record_from

THREAD_VARIABLES = ("CSPARC_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
PEAK_ROUNDS, PEAK_REPEATS = 400_000, 3
SETTLE = 0.01
"""Seconds between two entries, after which the waiting threads of the first one sleep."""
LONG = 0.3
"""Seconds from which on a call is long enough that a call before it warms nothing."""
GRACE = 600
"""Seconds a case may take beyond its share of the time before it is given up."""
ROOM = 16e9
"""Bytes a peer may take, in the cases that are made as large as that allows."""


@dataclass(frozen=True)
class Setting:
    """What a case asks of its process; None: what csparc chooses, what the user says."""

    isa: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Limits:
    """What the process of a case may use."""

    threads: int
    until: float = math.inf
    """Of ``time.monotonic``: no turn starts later, except the first."""
    room: float = ROOM

    def over(self) -> bool:
        return time.monotonic() > self.until


def fma_peak(threads: int, op: str = "fma_peak") -> float:
    """FLOP per second of nothing but multiply-adds, now; ``op``: or of bfloat16 "bf16_peak"."""
    from csparc import _core

    work = getattr(_core, op)
    flop = np.empty(threads)
    work(PEAK_ROUNDS, flop)  # wakes the threads
    best = 0.0
    for _ in range(PEAK_REPEATS):
        start = time.perf_counter()
        work(PEAK_ROUNDS, flop)
        best = max(best, float(flop.sum()) / (time.perf_counter() - start))
    return best


def timed(call: Callable[[], object]) -> float:
    """Seconds one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleave(
    entries: Mapping[str, Callable[[], object]],
    work: Mapping[str, float],
    repeats: int,
    limits: Limits,
    *,
    calls: int = 1,
    ready: bool = False,
    peak_op: str = "fma_peak",
    timer: Callable[[Callable[[], object]], float] = timed,
) -> Measurement:
    """Time the entries in turn, so that a busy moment of the machine strikes all of them.

    Each turn is ``calls`` calls, timed one by one, after one that is not, unless they are long.
    There are ``repeats`` turns, fewer where the limits say so. ``ready``: every entry has been
    called before. ``peak_op``: as of `fma_peak`. ``timer`` makes a call and tells its seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in entries}
    peak = 0.0
    if not ready:
        for call in entries.values():
            call()  # first calls allocate and compile
    for turn in range(repeats):
        if turn > 0 and limits.over():
            break
        for name, call in entries.items():
            time.sleep(SETTLE)
            peak = max(peak, fma_peak(limits.threads, peak_op))
            if min(seconds[name], default=0.0) < LONG and not (turn == 0 and ready):
                call()
            seconds[name] += [timer(call) for _ in range(calls)]
    return Measurement(seconds, dict(work), peak)


def measure(
    script: str,
    case: str,
    threads: int,
    setting: Setting,
    seconds: float | None = None,
    room: float = ROOM,
) -> Record:
    """Run one case of a script in a process of its own; a failure becomes part of the record."""
    threads = setting.threads or threads
    environment = os.environ | {name: str(threads) for name in THREAD_VARIABLES}
    if setting.isa is not None:
        environment["CSPARC_ISA"] = setting.isa
    command = [sys.executable, script, "--json", "--case", case, "--threads", str(threads)]
    command += ["--room", str(room)]
    longest = None
    if seconds is not None:
        command += ["--seconds", str(seconds)]
        longest = seconds + GRACE
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=longest
        )
    except subprocess.TimeoutExpired:
        return Record(Path(script).stem, case, threads, error=f"given up after {longest:.0f} s")
    if done.returncode == 0:
        return record_from(json.loads(done.stdout.splitlines()[-1]))
    last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return Record(Path(script).stem, case, threads, error=last)


def main(
    script: str,
    run: Callable[[str, Limits], Measurement],
    cases: Mapping[str, Setting],
    description: str,
) -> None:
    """Command line: run every case in a process of its own, or, as that process, one case."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, help="a case starts no repeat after so long")
    parser.add_argument("--room", type=float, default=ROOM, help="bytes a peer may fill")
    parser.add_argument("--case", choices=cases, metavar="CASE", help="only this one")
    parser.add_argument("--list", action="store_true", help="name the cases, one a line")
    parser.add_argument("--records", action="store_true", help="print every case as a line of JSON")
    parser.add_argument("--json", action="store_true", help="one line of JSON, in this process")
    args = parser.parse_args()
    if args.list:
        print(*cases, sep="\n")
        return
    if args.json:
        hold_processors(args.threads)
        until = math.inf if args.seconds is None else time.monotonic() + args.seconds
        result = run(args.case, Limits(args.threads, until, args.room))
        print(json.dumps(asdict(Record(Path(script).stem, args.case, args.threads, result))))
        return
    failed = False
    for case in [args.case] if args.case else cases:
        record = measure(script, case, args.threads, cases[case], args.seconds, args.room)
        failed |= record.measurement is None
        text = json.dumps(asdict(record)) if args.records else "\n".join([*lines(record), ""])
        print(text, flush=True)
    if failed:
        sys.exit(1)


def hold_processors(threads: int) -> None:
    """Keep this process on as many processors as it has threads: jax has no other limit."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
