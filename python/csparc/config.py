"""Run-time settings of the C core: threads, and what was chosen when it was loaded."""

from __future__ import annotations

import os
import warnings

from csparc._load import _core
from csparc._processors import processors
from csparc._scalars import whole_number
from csparc._version import __version__


def set_num_threads(count: int) -> None:
    """Use ``count`` threads from the next call on. Results do not depend on it, bit for bit.

    At least 1, else ValueError; more than 1024 count as 1024. Where the system lets a process have
    fewer, they are fewer. A warning, once, where they are more than the processors this process may
    keep busy: they then take turns, and wait for each other.
    """
    count = min(whole_number(count, "count", low=1), 1024)
    _warn_of_too_many(count, f"{count} threads were asked for")
    _core.set_num_threads(count)


def get_num_threads() -> int:
    """Threads the next call uses.

    At import: ``CSPARC_NUM_THREADS`` if set, else ``OMP_NUM_THREADS``, else one for every processor
    this process may use: those of its affinity, or fewer where a control group has a CPU quota (a
    container's ``--cpus``), rounded up. In a child made by ``fork()`` it is 1, because OpenMP's
    threads do not survive a fork. Fewer than was set where that many threads cannot be made.
    """
    return _core.get_num_threads()


def config() -> dict[str, object]:
    """Version, BLIS version and context, instruction set, threads: what ``show_config`` prints."""
    return {"csparc": __version__, **_core.config(), "processors": processors()}


_said_too_many = False


def _warn_of_too_many(count: int, what: str) -> None:
    global _said_too_many
    available = processors()
    if count > available and not _said_too_many:
        _said_too_many = True
        warnings.warn(
            f"{what}, and this process may keep {available} processor{'s' * (available > 1)} busy: "
            "more threads than that take turns, and calls take longer",
            RuntimeWarning,
            stacklevel=3,
        )


if os.environ.get("CSPARC_NUM_THREADS", "").strip():
    asked = int(os.environ["CSPARC_NUM_THREADS"])
    _warn_of_too_many(asked, f"CSPARC_NUM_THREADS asks for {asked} threads")


def show_config() -> None:
    """Print which kernels run and on how many threads."""
    for key, value in config().items():
        print(f"{key:14s} {value}")
