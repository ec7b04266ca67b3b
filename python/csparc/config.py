"""Run-time settings of the C core: threads, and what was chosen when it was loaded."""

from __future__ import annotations

import os
import warnings

from csparc._load import _core
from csparc._scalars import whole_number
from csparc._version import __version__


def set_num_threads(count: int) -> None:
    """Use ``count`` threads from the next call on. Results do not depend on it, bit for bit.

    At least 1, else ValueError; more than 1024 count as 1024.
    """
    _core.set_num_threads(min(whole_number(count, "count", low=1), 1024))


def warn_of_crowd(count: int) -> None:
    """Warn, once in a process, of more than twice as many threads as processors it may use."""
    available = getattr(os, "sched_getaffinity", None)
    processors = len(available(0)) if available else os.cpu_count() or 1
    if count > 2 * processors:
        warnings.warn(
            f"threads: {count} of them share {processors} processor{'s' * (processors > 1)} and "
            "wait for each other: everything takes longer than with one a processor",
            stacklevel=1,
        )


def get_num_threads() -> int:
    """Threads the next call uses.

    At import: ``CSPARC_NUM_THREADS`` if set, else ``OMP_NUM_THREADS``, else one a processor. In a
    child made by ``fork()`` it is 1, because OpenMP's threads do not survive a fork.
    """
    return _core.get_num_threads()


def config() -> dict[str, object]:
    """Version, BLIS version and context, instruction set, threads: what ``show_config`` prints."""
    return {"csparc": __version__, **_core.config()}


def show_config() -> None:
    """Print which kernels run and on how many threads."""
    for key, value in config().items():
        print(f"{key:14s} {value}")
