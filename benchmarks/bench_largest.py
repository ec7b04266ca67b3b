"""The other objectives at the largest batch with which torch stays within a given memory.

    python benchmarks/bench_largest.py --case filip --room 2e9

As bench_objectives, P 196, L 55, D 512, but torch gets as many pairs as its inputs, gradients and
extra memory leave place for in ``--room`` bytes, 16 GB unless said. Its fastest form is found at
the size of that benchmark, and where others come near, again by a batch that takes a quarter of the
room, which tells how its memory grows. At the size that fills the room csparc and that form, which
a call before has compiled, are timed in turn; the same calls say how much memory both take and
whether loss and gradients agree.
"""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import Limits, Setting, interleave, main
from memory import Trial, trial
from objective_batches import (
    CASES,
    OBJECTIVES,
    SIZES,
    Case,
    Objective,
    arguments,
    array_bytes,
    flop,
    ours,
)
from objective_forms import Form, Tried, notes_on, tried, tried_forms
from peers import check_agreement
from results import GB_OF_PEER, Measurement, duration

import csparc
from csparc import _core
from csparc._extras import require

OURS = "csparc"
REPEATS = 2
LINEAR = ("mgca",)
"""Objectives that torch needs no large array of B B for."""
PROBE = 1 / 4
"""Share of the room in which forms are tried again, and the growth of their memory is measured."""
CONTENDER = 1.25
"""Times the fastest form's seconds up to which the next one is tried again."""
FARTHER = 1.5
"""Times a batch must be as large as another one for the two to tell B from B B."""
MARGIN = 0.05
"""Share of the need that must be available beyond it."""


@dataclass(frozen=True)
class Growth:
    """Bytes a form needs beside B pairs: inputs, gradients and what a call adds."""

    fixed: float
    pair: float
    square: float

    def bytes(self, B: int) -> float:
        return self.fixed + B * self.pair + B * B * self.square

    def largest(self, room: float) -> int:
        """Most pairs within ``room`` bytes, as a person would pick them: multiples of a power of
        two, at most 1/32 below what would fill it.

        Raises ``ValueError`` where not even one fits.
        """
        left = room - self.fixed
        root = math.sqrt(max(0.0, self.pair**2 + 4 * self.square * left))
        B = math.floor(2 * left / (self.pair + root))
        if B < 1:
            raise ValueError(f"not one pair fits {room:.3g} bytes")
        step = 2 ** max(0, B.bit_length() - 6)
        return B - B % step


Measured = tuple[int, float]
"""B, and bytes beyond inputs and gradients."""


def grown(
    given: Growth, at: Measured, smaller: Measured | None = None, *, linear: bool = False
) -> Growth:
    """``given``, what inputs and gradients take, and what was measured.

    All of the extra is taken to grow with B B (``linear``: with B), faster than a part of it does;
    a ``smaller`` batch tells the part that grows with B.
    """
    B, extra = at
    square = 0.0 if linear else extra / B**2
    if smaller is not None and not linear:
        less, extra_of_less = smaller
        square = min(max((extra / B - extra_of_less / less) / (B - less), 0.0), square)
    return replace(given, pair=given.pair + extra / B - square * B, square=square)


def inputs_and_gradients(objective: Objective) -> Growth:
    none, one = (2 * array_bytes(objective, replace(SIZES, B=B)) for B in (0, 1))
    return Growth(none, one - none, 0)


def available() -> float:
    """Bytes the system can give without taking them from anybody; unknown: without bound."""
    meminfo = Path("/proc/meminfo")
    found = meminfo.read_text().splitlines() if meminfo.exists() else []
    lines = (line.split()[1] for line in found if line.startswith("MemAvailable"))
    return float(next(lines, "inf")) * 1024


def reserve(need: float) -> None:
    """Raises ``MemoryError`` where ``need`` bytes are not to be had, and lets later allocations
    fail, rather than the machine, should the need have been underrated."""
    free = available()
    if need * (1 + MARGIN) > free:
        raise MemoryError(
            f"needs {need / 1e9:.1f} GB and {MARGIN:.0%} to spare, {free / 1e9:.1f} GB are "
            "available: give less --room, or end other programs"
        )
    if sys.platform == "linux" and math.isfinite(free):
        status = Path("/proc/self/status").read_text().splitlines()
        taken = 1024 * int(next(x for x in status if x.startswith("VmData")).split()[1])
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (taken + int(free), hard))


def tried_at(case: Case) -> list[Tried]:
    """The forms of torch at the size of bench_objectives, the fastest first."""
    objective = OBJECTIVES[case.objective]
    values = arguments(objective, replace(SIZES, B=case.B))
    return tried_forms(case.objective, values, ours(objective, values)())


def chosen(
    case: Case, first: dict[Form, tuple[float, float]], room: float
) -> tuple[Form, Growth, dict[str, str]]:
    """The fastest form, how its memory grows, and a note where it took another size to tell.

    ``first``: (seconds, extra bytes) at the case's B, the fastest first. The second may be the
    fastest of a batch that takes the probe's part of the room, if one fits.
    """
    objective, linear = OBJECTIVES[case.objective], case.objective in LINEAR
    given = inputs_and_gradients(objective)
    least, _ = next(iter(first.values()))
    guesses = {
        form: grown(given, (case.B, extra), linear=linear)
        for form, (seconds, extra) in list(first.items())[:2]
        if seconds <= CONTENDER * least
    }
    fastest = next(iter(guesses))
    B = guesses[fastest].largest(PROBE * room)
    if B <= case.B:
        return fastest, guesses[fastest], {}
    reserve(max(guess.bytes(B) for guess in guesses.values()))
    values = arguments(objective, replace(SIZES, B=B))
    found = {form: timed_and_measured(form, values) for form in guesses}
    fastest = min(found, key=lambda form: found[form][0])
    told = "; ".join(f"{form.name} {duration(seconds)}" for form, (seconds, _) in found.items())
    smaller = (case.B, first[fastest][1]) if B >= FARTHER * case.B else None
    growth = grown(given, (B, found[fastest][1]), smaller, linear=linear)
    return fastest, growth, {f"tried at B {B}": told}


def timed_and_measured(form: Form, values: dict[str, Any]) -> tuple[float, float]:
    found = tried(form.call(values), form.compiled)
    return found.seconds, found.extra


class Watch:
    """Times calls and keeps of each the last outcome and the most memory."""

    def __init__(self) -> None:
        self.last: dict[Callable, Trial] = {}
        self.extra: dict[Callable, float] = {}

    def __call__(self, call: Callable[[], Any]) -> float:
        self.last.pop(call, None)  # its gradients are replaced
        found = self.last[call] = trial(call)
        self.extra[call] = max(found.extra, self.extra.get(call, 0.0))
        return found.seconds


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    objective = OBJECTIVES[case.objective]
    csparc.set_num_threads(limits.threads)
    require("torch", extra="bench").set_num_threads(limits.threads)
    tries = tried_at(case)
    notes = notes_on(tries)
    first = {each.form: (each.seconds, each.extra) for each in tries}
    del tries  # and the gradients they hold
    form, growth, more = chosen(case, first, limits.room)
    sizes = replace(SIZES, B=growth.largest(limits.room))
    given = 2 * array_bytes(objective, sizes)
    reserve(growth.bytes(sizes.B) + given / 2)  # with csparc's gradients

    values = arguments(objective, sizes)
    entries = {OURS: ours(objective, values), form.name: form.call(values)}
    if form.compiled:
        entries[form.name]()
    watch = Watch()
    work = dict.fromkeys(entries, flop(objective, sizes))
    result = interleave(entries, work, REPEATS, limits, ready=True, timer=watch)
    own, theirs = (watch.last[call].outcome for call in entries.values())
    notes[form.name] = check_agreement(form.name, own, theirs)
    result.notes |= {"aim": case.goal, "isa": _core.config()["isa"], **notes, **more}
    result.figures |= {"B": sizes.B, "GB torch may take": limits.room / 1e9}
    for entry, call in entries.items():
        result.figures[f"{entry}: extra resident MiB"] = watch.extra[call] / 2**20
    result.figures[GB_OF_PEER] = (given + watch.extra[entries[form.name]]) / 1e9
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
