"""How much memory a call takes beyond what was there before (Linux; elsewhere an upper bound)."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csparc import _core


@dataclass(frozen=True)
class Trial:
    """One call: what it returned, how long it took, by how much the process grew meanwhile."""

    outcome: Any
    seconds: float
    extra: float
    """Bytes. Gradients that the previous call left, and this one replaces, are not in it."""


def trial(call: Callable[[], Any]) -> Trial:
    """Make one call from a process that has given back all it could."""
    gc.collect()
    _core.scratch_peak()  # frees what earlier calls kept
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
    before = resident_restarted()
    start = time.perf_counter()
    outcome = call()
    seconds = time.perf_counter() - start
    return Trial(outcome, seconds, resident_highest() - before)


def resident_restarted() -> float:
    """Bytes resident now; on Linux the highest value starts again from here."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return resident_highest()


def resident_highest() -> float:
    """Most bytes resident since the restart, or ever."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return float(line.split()[1]) * 1024
