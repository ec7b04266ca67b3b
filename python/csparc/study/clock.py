"""How long a unit took, over all the processes that worked on it, kills included."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path

from csparc._json import read_json
from csparc._repr import line
from csparc.checkpoint.folder import write_text_atomically
from csparc.errors import DataError

SECONDS = 2.0
"""Between two times of writing: what a kill can take away from the sum."""
_FIELDS = ("wall_s", "processor_s", "peak_MB")


class Clock:
    """Wall and processor seconds by phase, and the peak of memory, added to those in a file.

    A context: while it is open a thread writes the file every two seconds, so that the time of a
    process that is killed is counted too, with the steps it has to repeat.

    Parameters
    ----------
    path : path
    phase : str
        The name of the phase it begins with.
    """

    def __init__(self, path: str | os.PathLike, phase: str) -> None:
        self.path, self.phase = Path(path), phase
        self.spent: dict[str, dict[str, float]] = self._before()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._mark = time.monotonic(), time.process_time()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __repr__(self) -> str:
        return line(self, str(self.path), phase=self.phase)

    def next(self, phase: str) -> None:
        """Count for another phase from here on."""
        self.write()
        self.phase = phase

    def write(self) -> None:
        """Add what has passed since the last time, and write the file."""
        with self._lock:
            now = time.monotonic(), time.process_time()
            here = self.spent.setdefault(self.phase, dict.fromkeys(_FIELDS, 0.0))
            here["wall_s"] += now[0] - self._mark[0]
            here["processor_s"] += now[1] - self._mark[1]
            here["peak_MB"] = max(here["peak_MB"], peak_megabytes())
            self._mark = now
            write_text_atomically(self.path, json.dumps(self.spent))

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self.write()

    def _watch(self) -> None:
        while not self._closed.wait(SECONDS):
            self.write()

    def _before(self) -> dict[str, dict[str, float]]:
        """What earlier processes took; nothing where the file is not there or not whole."""
        if not self.path.exists():
            return {}
        try:
            found = read_json(self.path, "seconds by phase")
            return {
                phase: {key: float(spent[key]) for key in _FIELDS} for phase, spent in found.items()
            }
        except (DataError, AttributeError, KeyError, TypeError, ValueError):
            return {}


def peak_megabytes() -> float:
    """The most memory this process has had resident, in MB (1e6 bytes); 0 where nobody tells.

    Linux's own figure is taken where it is there: `getrusage` begins with that of the process this
    one comes from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
