"""Cases by number, each made from a seed alone, run in a process of their own.

A generator is a module ``fuzz_NAME`` with a class ``Generator``: made once with an empty folder,
its ``case(rng)`` draws one case, runs it, and says how csparc took it, or raises `Wrong`. A process
that dies or hangs is a finding like any other: its last case is known, and the run goes on with the
next one in a new process.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
GENERATORS = ("readers", "benchmarks", "measures", "checkpoints", "arrays", "numbers")
TAKEN, REFUSED = "taken", "refused"
LONGEST = 20
"""Seconds that a case may take; all but a few take less than a hundredth of one."""
LARGEST = 256 << 20
"""Bytes by which the memory of the process may grow in a case."""
MOST_DEATHS = 20
"""Processes that may die in one run."""


class Wrong(Exception):
    """What csparc did in a case, and should not have done."""


@dataclass
class Outcome:
    """What a run found: how many cases were taken and refused, and what was wrong by number."""

    counts: Counter = field(default_factory=Counter)
    wrong: dict[int, str] = field(default_factory=dict)

    def reports(self, name: str, seed: int) -> list[str]:
        """A finding each, with the command that runs its case alone."""
        return [
            f"{name}, seed {seed}, case {number}: {text}\n"
            f"  again: python tests/fuzz --case {name}:{number} --seed {seed}"
            for number, text in sorted(self.wrong.items())
        ]


def draws(name: str, seed: int, number: int) -> np.random.Generator:
    """The generator of random numbers of one case."""
    return np.random.default_rng([seed, number, *name.encode()])


def run(name: str, seed: int, first: int, count: int, longest: float = LONGEST) -> Outcome:
    """Run ``count`` cases from number ``first`` on, in as many processes as it takes."""
    outcome, end = Outcome(), first + count
    for _ in range(MOST_DEATHS):
        if first >= end:
            break
        first = _run_until_death(outcome, [name, seed, first, end - first, longest])
    return outcome


def _run_until_death(outcome: Outcome, settings: list[Any]) -> int:
    """One process; the number of the case to go on with."""
    code = f"import sys; sys.path[:] = {sys.path!r}; import fuzz_runs; fuzz_runs.work(*{settings})"
    with tempfile.TemporaryFile("w+") as errors:
        command, number = [sys.executable, "-c", code], settings[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                number, kind, text = json.loads(line)
                if kind == "wrong":
                    outcome.wrong[number] = text
                elif kind != "begun":
                    outcome.counts[kind] += 1
        if process.returncode != 0:
            errors.seek(0)
            text = errors.read()[-3000:]
            outcome.wrong[number] = f"the process ended with {process.returncode}: {text}"
    return number + 1


def work(name: str, seed: int, first: int, count: int, longest: float) -> None:
    """What such a process does: cases one after the other, each begun and ended by a line."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as folder:
        generator = importlib.import_module(f"fuzz_{name}").Generator(Path(folder))
        for number in range(first, first + count):
            _say(number, "begun", "")
            faulthandler.dump_traceback_later(longest, exit=True)
            _say(number, *_outcome(generator, draws(name, seed, number)))
            faulthandler.cancel_dump_traceback_later()


def _outcome(generator: Any, rng: np.random.Generator) -> tuple[str, str]:
    """(taken, refused or wrong; what is wrong) of one case."""
    before = _peak()
    try:
        kind = generator.case(rng)
    except Wrong as error:
        return "wrong", str(error)
    except Exception:
        return "wrong", traceback.format_exc()
    if _peak() - before > LARGEST:
        return "wrong", f"took {(_peak() - before) >> 20} MiB of memory"
    return kind, ""


def _peak() -> int:
    """The most memory this process has held so far, in bytes: on Linux as `/proc` has it, for what
    `getrusage` says begins with that of the process it comes from."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found is not None:
            return 1024 * int(found[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _say(number: int, kind: str, text: str) -> None:
    print(json.dumps([number, kind, text]), flush=True)


def rounds(minutes: float, each: int) -> Iterator[tuple[str, int]]:
    """(generator, number of its first case) in turn, until the time is over."""
    ends, first = time.monotonic() + 60 * minutes, 0
    while True:
        for name in GENERATORS:
            if time.monotonic() >= ends:
                return
            yield name, first
        first += each
