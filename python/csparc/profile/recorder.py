"""Takes the time of every op of the core, by op and shape, while training steps run.

While a `Profile` is open, functions that take the time stand in place of the core's; they go when
it closes. Where none is open nothing is different, and nothing is paid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
    """0 where the core counts them."""
    bf16: bool
    """Whether its products are of bfloat16."""
    here: bool
    """Whether the thread that trains ran it; others ran beside it."""
    calls: int = 0
    seconds: float = 0.0
    flop: float = 0.0

    __repr__ = fields_line

    def add(self, seconds: float, flop: float) -> None:
        """Add a call."""
        self.calls += 1
        self.seconds += seconds
        self.flop += flop

    def clear(self) -> None:
        """Forget all calls."""
        self.calls, self.seconds, self.flop = 0, 0.0, 0.0


@dataclass
class Steps:
    """Training steps, added up; ``waited``: the seconds of them in which data were waited for."""

    count: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    entries: dict[tuple, Entry] = field(default_factory=dict)
    """By op, shape and thread; of those made outside steps there are no calls."""

    __repr__ = fields_line

    def clear(self) -> None:
        """Forget all steps."""
        self.count, self.seconds, self.waited = 0, 0.0, 0.0
        for entry in self.entries.values():
            entry.clear()


class Profile:
    """A context in which the core's ops are timed; `begin` and `end` stand around each step.

    The first step, which allocates and fills caches, is left out where others follow; after
    `MOST_STEPS` it closes by itself. What runs between steps (checkpoints, validation) is not
    counted. One can be open at a time. While it is, a call costs about 3 microseconds more.

    Attributes
    ----------
    steps : Steps
        What was recorded.
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
        self.peaks = Peaks(0.0, 0.0, 0.0, 1)
        self._running: list[tuple[Entry, float, float]] = []
        self._has_first = True
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
        steps = self.steps
        if self._has_first and steps.count == 1:
            steps.clear()
            self._has_first = False
        steps.count += 1
        steps.seconds += seconds
        steps.waited += waited
        calls, self._running = self._running, []
        for entry, spent, flop in calls:
            entry.add(spent, flop)
        if self.steps.count == MOST_STEPS:
            self.close()

    def _timed(self, name: str) -> Callable[..., Any]:
        """The op ``name``, timed."""
        function, parameters = getattr(_core, name), ops.arguments(name)
        names = [parameter.name for parameter in parameters]
        arrays = [n for n, parameter in enumerate(parameters) if parameter.axes is not None]
        work, thread_of = ops.WORK.get(name, ops.Work()), threading.get_ident
        counted, entries = work.flop is None, self.steps.entries
        read = names.index(work.content) if work.content else None
        flag = next((n for n, each in enumerate(names) if each in ops.BF16_FLAGS), None)

        def call(*values: Any, **named: Any) -> Any:
            if named:
                values = (*values, *(named[each] for each in names[len(values) :]))
            if counted:
                _core.count_flop(True)
            begun = perf_counter()
            result = function(*values)
            seconds = perf_counter() - begun
            flop = float(_core.count_flop(False)) if counted else 0.0
            content = None if read is None else values[read].tobytes()
            shapes = [None if values[n] is None else values[n].shape for n in arrays]
            bf16 = flag is not None and bool(values[flag])
            key = (name, thread_of() == self._thread, bf16, content, *shapes)
            entry = entries.get(key)
            if entry is None:
                entry = entries[key] = _entry(name, work, values, parameters, key[1:3])
            self._running.append((entry, seconds, flop or entry.flop_of_call))
            return result

        return call


def _entry(
    name: str, work: ops.Work, values: Sequence[Any], parameters: list[ops.Argument], where: tuple
) -> Entry:
    """An entry for the calls that are like this one."""
    found = ops.given(parameters, values)
    flop = 0.0 if work.flop is None else work.flop(found)
    nbytes = ops.moved_bytes(name, parameters, found)
    return Entry(name, ops.sizes(parameters, found), nbytes, flop, where[1], where[0])
