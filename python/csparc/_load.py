"""Load the C core so that its waiting threads give way to whoever needs the processor.

GNU's OpenMP lets a thread that waits for the others spin for milliseconds. Where the processors are
shared with other work (a container with a quota, a busy desktop) it spins in their time: a training
step of model nano on 2 threads took 16 times as long as on one. With the setting below a thread
spins for some microseconds, the time between two parallel loops of a step, and then sleeps.

Where nobody says how many threads to use, there is one for every processor the process may keep
busy (`csparc._processors`).

The library reads its environment once, when it is loaded. What a person has set is left alone, and
the environment is as before afterwards, so no other library is affected.
"""

import os

import numpy  # noqa: F401  (first: the core's own import of it would print an interrupt)

from csparc._processors import processors

_SPINS = "10000"

if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
    from csparc import _core
else:
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        from csparc import _core
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _asked(variable: str) -> int:
    """Threads a variable of the environment asks for, the first of a list; 0: none."""
    first = os.environ.get(variable, "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) <= 1024 else 0


# What the core itself takes where nobody asks knows the affinity, and not a container's quota.
if not (_asked("CSPARC_NUM_THREADS") or _asked("OMP_NUM_THREADS")):
    _core.set_num_threads(processors())

__all__ = ["_core"]
