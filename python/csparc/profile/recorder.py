"""Takes the time of every op of the core, by op and shape, while training steps run.

While a `Profile` is open, functions that take the time stand in place of the core's; they go when
it closes. Where none is open nothing is different, and nothing is paid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from csparc import _core
from csparc._repr import fields_line, line
from csparc.cost import ops
from csparc.profile.peaks import Peaks, measure_peaks

MOST_STEPS = 500
"""Steps after which a profile has seen enough."""


@dataclass
class Entry:
    """The calls of one op with one shape, added up."""

    op: str
    sizes: dict[str, int]
    """Of the axes, by letter."""
    nbytes: int
    """Of one call."""
    flop_of_call: float
    """0 where it varies from call to call."""
    here: bool
    """Whether the thread that trains ran it; others ran beside it."""
    calls: int = 0
    seconds: float = 0.0
    flop: float = 0.0

    __repr__ = fields_line

    def add(self, other: Entry) -> None:
        """Add the calls of another entry of the same op and shape."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.flop += other.flop


@dataclass
class Steps:
    """Training steps, added up; ``waited``: the seconds of them in which data were waited for."""

    count: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    entries: dict[tuple, Entry] = field(default_factory=dict)

    __repr__ = fields_line


class Profile:
    """A context in which the core's ops are timed; `begin` and `end` stand around each step.

    The first step, which allocates and fills caches, is left out where others follow; after
    `MOST_STEPS` it closes by itself. What runs between steps (checkpoints, validation) is not
    counted. One can be open at a time. While it is, a call costs 1 to 4 microseconds more, one of
    attention 20.

    Attributes
    ----------
    steps : Steps
        What was recorded after the first step.
    peaks : Peaks
        What the machine can do, measured when the context is entered (about 0.2 s).

    Raises
    ------
    RuntimeError
        Another one is open.
    """

    _open = False

    def __init__(self) -> None:
        self.steps = Steps()
        self.peaks = Peaks(0.0, 0.0, 1)
        self._running: dict[tuple, Entry] = {}
        self._first: Steps | None = None
        self._originals: dict[str, Callable[..., Any]] = {}
        self._thread = 0

    def __repr__(self) -> str:
        return line(self, f"{self.steps.count} steps", f"{self.steps.seconds:.3g} s")

    def __enter__(self) -> Profile:
        if Profile._open:
            raise RuntimeError("Profile: expected none to be open, found one: close it first")
        self.peaks = measure_peaks()
        self._thread = threading.get_ident()
        Profile._open = True
        for name in _core.OPS:
            self._originals[name] = getattr(_core, name)
            setattr(_core, name, self._timed(name))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def recorded(self) -> Steps:
        """The steps, or the first one where no other was made."""
        alone = self.steps.count == 0 and self._first is not None
        return self._first if alone else self.steps

    def close(self) -> None:
        """Put the core's own functions back; steps after that are not recorded."""
        for name, function in self._originals.items():
            setattr(_core, name, function)
        if self._originals:
            Profile._open = False
        self._originals.clear()

    def begin(self) -> None:
        """A step begins: forget what ran since the last one ended."""
        self._running.clear()

    def end(self, seconds: float, waited: float = 0.0) -> None:
        """A step took so many seconds, of which data were waited for ``waited``."""
        if not self._originals:
            return
        target = self.steps
        if self._first is None:
            target = self._first = Steps()
        target.count += 1
        target.seconds += seconds
        target.waited += waited
        for key, entry in list(self._running.items()):
            kept = target.entries.setdefault(key, entry)
            if kept is not entry:
                kept.add(entry)
        self._running = {}
        if self.steps.count == MOST_STEPS:
            self.close()

    def _timed(self, name: str) -> Callable[..., Any]:
        """The op ``name``, timed."""
        function, parameters = getattr(_core, name), ops.arguments(name)
        names = [parameter.name for parameter in parameters]
        arrays = [n for n, parameter in enumerate(parameters) if parameter.axes is not None]
        work, thread_of = ops.WORK.get(name, ops.Work()), threading.get_ident
        counted = work.flop is None

        def call(*values: Any, **named: Any) -> Any:
            if named:
                values = (*values, *(named[each] for each in names[len(values) :]))
            if counted:
                _core.count_flop(True)
            begun = perf_counter()
            result = function(*values)
            seconds = perf_counter() - begun
            flop = float(_core.count_flop(False)) if counted else 0.0
            shapes = [None if values[n] is None else values[n].shape for n in arrays]
            key = (name, thread_of() == self._thread, *shapes)
            entry = self._running.get(key)
            if entry is None:
                found = ops.given(parameters, values)
                fixed = 0.0 if counted or work.varies else work.flop(found)
                entry = Entry(name, ops.sizes(parameters, found),
                              ops.moved_bytes(name, parameters, found), fixed, key[1])  # fmt: skip
                self._running[key] = entry
            elif work.varies:
                found = ops.given(parameters, values)
            if work.varies:
                flop = work.flop(found)
            entry.calls += 1
            entry.seconds += seconds
            entry.flop += flop + entry.flop_of_call
            return result

        return call
