"""The folder of a study: its description, a line of results a unit, a lock, the units' own folders.

::

    DIR/study.json     the description the lines belong to
    DIR/results.jsonl  a line a unit that is finished or has failed; the last one of a unit counts
    DIR/units/NAME/    a unit: run/ (as csparc train writes it), said.txt, clock.json,
                       trained_by.json, result.json
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from csparc._json import parse_json, read_json
from csparc._repr import line
from csparc._text import show
from csparc.checkpoint import file_system
from csparc.checkpoint.folder import write_text_atomically
from csparc.errors import DataError, TrainingError
from csparc.study.description import Study, Unit

DESCRIPTION, LINES, UNITS, LOCK = "study.json", "results.jsonl", "units", ".lock"
RESULT, SAID, CLOCK, RUN = "result.json", "said.txt", "clock.json", "run"
TRAINED_BY = "trained_by.json"
_LOCK_SECONDS = 5.0
"""Workers of a driver that was killed hold its lock until they have ended."""


class Results:
    """The folder of a study, open for one driver.

    Parameters
    ----------
    folder : path
    study : Study
    """

    def __init__(self, folder: str | os.PathLike, study: Study) -> None:
        self.folder, self.study = Path(folder), study
        self.path = self.folder / LINES
        self.lines: list[dict[str, Any]] = []
        self.lock: int | None = None
        """An open file; whoever inherits it holds the folder too."""

    def __repr__(self) -> str:
        return line(self, str(self.folder), lines=len(self.lines))

    def open(self, resume: bool, say: Callable[[str], None] = lambda text: None) -> None:
        """Lock the folder, read its lines, repair a last line that a kill cut off.

        Raises
        ------
        TrainingError
            Another driver is at it; it holds results and ``resume`` is false.
        DataError
            A damaged line, or lines of a setting that now is another one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            if self.path.exists() and not resume:
                raise TrainingError(
                    f"{self.folder}: expected a folder without results, found {LINES}; --resume "
                    "goes on with it"
                )
            if repaired(self.path):
                say(f"{self.path}: the last line was cut off; dropped, its unit is looked at again")
            self.lines = read_results(self.path) if self.path.exists() else []
            self._check_settings()
            text = json.dumps(self.study.source, indent=2, ensure_ascii=False) + "\n"
            write_text_atomically(self.folder / DESCRIPTION, text)
        except BaseException:
            self.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line: handed to the system in one piece, and to the disk before this returns."""
        data = (json.dumps(record, allow_nan=False) + "\n").encode()
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            begin = os.fstat(handle).st_size
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
            except OSError:
                os.ftruncate(handle, begin)
                raise
            file_system.flush_file(handle)
        finally:
            os.close(handle)
        self.lines.append(dict(record))

    def of(self, unit: Unit) -> dict[str, Any] | None:
        """The last line of a unit as it is now, None where there is none."""
        return latest(self.lines, [unit]).get(unit.key)

    def unit_folder(self, unit: Unit) -> Path:
        """Where a unit's run, its last words and its result are."""
        return self.folder / UNITS / unit.folder

    def close(self) -> None:
        """Release the lock."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_lock(self) -> None:
        self.lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                file_system.lock(self.lock)
                return
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    self.close()
                    raise TrainingError(
                        f"{self.folder}: expected a folder no one runs a study in, found another "
                        "process at it"
                    ) from error
            time.sleep(0.05)

    def _check_settings(self) -> None:
        now = {unit.setting: unit.config_hash for unit in self.study.units()}
        for record in self.lines:
            if record["setting"] in now and record["config_hash"] != now[record["setting"]]:
                raise DataError(
                    f"{self.path}: expected results of setting {show(record['setting'], 40)} as "
                    "the study describes it, found those of other flags; give the changed setting "
                    "another name, or the study another folder"
                )


def latest(
    lines: Iterable[Mapping[str, Any]], units: Iterable[Unit]
) -> dict[tuple[str, int], dict[str, Any]]:
    """The last line of each unit that has one of the same flags and the same evaluation."""
    wanted = {unit.key: (unit.config_hash, unit.evaluation_hash) for unit in units}
    found = {}
    for record in lines:
        key = record["setting"], record["seed"]
        if wanted.get(key) == (record["config_hash"], record["evaluation_hash"]):
            found[key] = dict(record)
    return found


def read_results(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of a file of results; a last line without an end is left out.

    Raises
    ------
    DataError
        A line that is no result, named by its number.
    """
    name, records = os.fspath(path), []
    with open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith(b"\n"):
                break
            where = f"{name} line {number}"
            record = parse_json(text, where, "one result as a JSON object")
            needed = {"setting": str, "seed": int, "config_hash": str, "evaluation_hash": str}
            if not isinstance(record, dict) or any(
                not isinstance(record.get(key), kind) for key, kind in needed.items()
            ):
                raise DataError(
                    f"{where}: expected an object with {', '.join(needed)}, found "
                    f"{show(record, 60)}"
                )
            records.append(record)
    return records


def repaired(path: Path) -> bool:
    """Cut off a last line that has no end; whether there was one."""
    if not path.exists():
        return False
    with open(path, "rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole == len(content):
            return False
        file.truncate(whole)
    return True


def read_result(path: Path, unit: Unit) -> dict[str, Any] | None:
    """What a worker left of a unit; None where it is not there or of another evaluation."""
    if not path.exists():
        return None
    record = read_json(path, "the result of a unit")
    same = isinstance(record, dict) and latest([record], [unit])
    return record if same else None
