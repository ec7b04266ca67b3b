"""Runs the units of a study in processes of their own, a few at a time, and collects results.

A unit is one process: a kill of the driver ends it (its standard input closes), a kill of its own
lets the driver start it again, and it goes on from its checkpoint either way. The driver alone
writes lines; a unit hands over a file, so a driver killed between the two loses nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from csparc._progress import Progress
from csparc.errors import TrainingError
from csparc.study.description import Unit
from csparc.study.results import RESULT, RUN, SAID, Results, read_result
from csparc.trainer.interrupt import StopRequest
from csparc.viz import read_log

TRIES = 2
"""Times a unit is started that a signal ends, such as that of a machine out of memory."""
THREAD_VARIABLES = (
    "CSPARC_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
INTERRUPTED = 130
"""Exit code of a unit that was asked to end, and saved its step."""
_PAUSE = 0.2
_LAST_KEYS = ("step", "loss", "logit_scale", "grad_norm")


class Driver:
    """Works through units with so many processes at a time.

    Parameters
    ----------
    results : Results
        Open.
    command : callable
        ``command(unit)``: the words that run one unit in a process.
    workers : int
        Processes at a time; the results do not depend on it.
    threads : int
        Of each process.
    """

    def __init__(
        self, results: Results, command: Callable[[Unit], list[str]], workers: int, threads: int
    ) -> None:
        self.results, self.command = results, command
        self.workers, self.threads = workers, threads
        self.failures = 0
        self._running: dict[subprocess.Popen, Unit] = {}
        self._tries: dict[tuple[str, int], int] = {}

    def __repr__(self) -> str:
        return f"Driver(workers={self.workers}, threads={self.threads})"

    def run(self, units: Iterable[Unit], again: bool = False) -> bool:
        """Run what has no line yet, in order; with ``again`` what failed, too.

        Returns whether it came to the end: False after Ctrl-C or SIGTERM, on which every running
        unit finishes its step and saves.

        Raises
        ------
        TrainingError
            A unit could not be begun or evaluated: a fault of the data, the disk, the machine.
        """
        units = list(units)
        waiting = deque(unit for unit in units if not self._is_done(unit, again))
        total, done = len(units), len(units) - len(waiting)
        stop = StopRequest()
        with Progress("study", unit="unit", lasting=True) as progress, stop:
            progress.begin(done, total)
            try:
                while (waiting and not stop) or self._running:
                    while waiting and not stop and len(self._running) < self.workers:
                        self._start(waiting.popleft())
                    if stop:
                        self._ask_to_end()
                    for unit in self._ended(waiting, stop, progress):
                        done += 1
                        progress.to(done, total, self._note(unit))
                    time.sleep(_PAUSE)
            finally:
                self._kill()
        return not waiting and not stop

    def _is_done(self, unit: Unit, again: bool) -> bool:
        """Whether a unit has a line, or left a result that only has to become one."""
        handed = self.results.unit_folder(unit) / RESULT
        found = self.results.of(unit)
        if found is None:
            found = read_result(handed, unit)
            if found is not None:
                self.results.append(found)
        if found is not None and again and found["failure"] is not None:
            handed.unlink(missing_ok=True)
            return False
        return found is not None

    def _note(self, unit: Unit) -> str:
        failed = f", {self.failures} failed" if self.failures else ""
        return f"{unit.setting} seed {unit.seed}{failed}"

    def _start(self, unit: Unit) -> None:
        folder = self.results.unit_folder(unit)
        folder.mkdir(parents=True, exist_ok=True)
        held = () if os.name != "posix" or self.results.lock is None else (self.results.lock,)
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        with open(folder / SAID, "ab") as said:
            process = subprocess.Popen(
                self.command(unit), stdin=subprocess.PIPE, stdout=said, stderr=said,
                env={**os.environ, **threads}, pass_fds=held, start_new_session=True,
            )  # fmt: skip
        self._tries[unit.key] = self._tries.get(unit.key, 0) + 1
        self._running[process] = unit

    def _ended(self, waiting: deque[Unit], stop: StopRequest, progress: Progress) -> list[Unit]:
        """The units that now have a line; one that a signal ended waits again."""
        ended = []
        for process, unit in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[process]
            process.stdin.close()
            record = read_result(self.results.unit_folder(unit) / RESULT, unit)
            if record is None and stop:
                continue
            if record is None and (code < 0 or code == INTERRUPTED):
                name = signal.Signals(-code).name if code < 0 else "a signal"
                if self._tries[unit.key] < TRIES:
                    progress.say(f"{self._note(unit)}: ended by {name}; it is started again")
                    waiting.appendleft(unit)
                    continue
                record = self.failed(unit, f"the process was ended by {name}, {TRIES} times")
            if record is None:
                raise self._cannot(unit, code)
            self.failures += record["failure"] is not None
            self.results.append(record)
            ended.append(unit)
        return ended

    def failed(self, unit: Unit, error: str) -> dict[str, Any]:
        """The line of a unit whose process could not write one."""
        return {
            **named(self.results.study.name, unit),
            "figures": {},
            "failure": failure(error, self.results.unit_folder(unit) / RUN),
        }

    def _cannot(self, unit: Unit, code: int) -> TrainingError:
        said = self.results.unit_folder(unit) / SAID
        lines = said.read_text(encoding="utf-8", errors="replace").split("\n")
        told = next((text for text in reversed(lines) if text.strip()), f"exit code {code}")
        return TrainingError(
            f"{unit.setting} seed {unit.seed}: {told.removeprefix('csparc: ')}; mend that, then "
            f"--resume; {said} has all it said"
        )

    def _ask_to_end(self) -> None:
        """Ask every running process, once, to save and to end."""
        for process in self._running:
            if self._tries.pop(self._running[process].key, None) is not None:
                process.terminate()

    def _kill(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
            process.stdin.close()
        self._running.clear()


def named(study: str, unit: Unit) -> dict[str, Any]:
    """What every line begins with."""
    return {
        "study": study,
        "setting": unit.setting,
        "seed": unit.seed,
        "config_hash": unit.config_hash,
        "evaluation_hash": unit.evaluation_hash,
    }


def failure(error: str, run: os.PathLike) -> dict[str, Any]:
    """Why a unit failed, with the last finite line of its log."""
    log = os.path.join(run, "log.jsonl")
    records = read_log(log) if os.path.exists(log) else []
    last: Mapping[str, Any] = records[-1] if records else {}
    return {"error": error, "last": {key: last[key] for key in _LAST_KEYS if key in last}}
