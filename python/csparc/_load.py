"""Load the C core so that its waiting threads give way to whoever needs the processor.

GNU's OpenMP lets a thread that waits for the others spin for milliseconds. Where the processors are
shared with other work (a container with a quota, a busy desktop) it spins in their time: a training
step of model nano on 2 threads took 16 times as long as on one. With the setting below a thread
spins for some microseconds, the time between two parallel loops of a step, and then sleeps.

The library reads its environment once, when it is loaded. What a person has set is left alone, and
the environment is as before afterwards, so no other library is affected.
"""

import os

import numpy  # noqa: F401  (first: the core's own import of it would print an interrupt)

_SPINS = "10000"

if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
    from csparc import _core
else:
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        from csparc import _core
    finally:
        del os.environ["GOMP_SPINCOUNT"]

__all__ = ["_core"]
