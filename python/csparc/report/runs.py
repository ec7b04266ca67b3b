"""What the folder of a run holds for its page: logs, and what ``csparc eval --json`` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csparc._json import read_json
from csparc._repr import fields_line
from csparc.errors import DataError
from csparc.viz.curves import read_log

LOGS = ("log.jsonl", "validation.jsonl")


@dataclass(frozen=True)
class Evaluation:
    """The figures of one task on one data set by their paths, each as `Beside.record` gives it."""

    task: str
    data: str
    measured: Mapping[str, Mapping[str, Any]]

    __repr__ = fields_line


@dataclass(frozen=True)
class Run:
    """A run by its name, which no other of the page has: its logs, and its evaluations."""

    name: str
    folder: Path
    log: Sequence[dict] = ()
    validation: Sequence[dict] = ()
    evaluations: Sequence[Evaluation] = field(default=())

    __repr__ = fields_line


def read_runs(folders: Sequence[str]) -> list[Run]:
    """Runs in the order in which they were given, called by as much of their paths as differs.

    Raises
    ------
    DataError
        A folder that is no run's: neither a log nor a checkpoint nor an evaluation lies in it.
    """
    paths = [Path(folder) for folder in folders]
    return [read_run(path, name) for path, name in zip(paths, _names(paths))]


def read_run(folder: Path, name: str) -> Run:
    """The run of a folder."""
    log, validation = (read_log(folder / one) if (folder / one).is_file() else [] for one in LOGS)
    found = evaluations(folder)
    if not (log or found or (folder / "checkpoints").is_dir()):
        raise DataError(
            f"{folder}: expected the folder of a run, with {LOGS[0]}, checkpoints or files that "
            "csparc eval --json wrote, found none of them"
        )
    return Run(name, folder, log, validation, found)


def evaluations(folder: Path) -> list[Evaluation]:
    """What ``csparc eval --json`` wrote into a folder: of ``all`` every task, of a single task what
    its file is called; of the same task on the same data the last file's by name."""
    found: dict[tuple[str, str], Evaluation] = {}
    for path in sorted(folder.glob("*.json")):
        record = read_json(path, "an evaluation")
        if not isinstance(record, dict):
            continue
        for one in evaluations_of(record, path.stem):
            found[one.task, one.data] = one
    return list(found.values())


def evaluations_of(record: Mapping[str, Any], name: str) -> list[Evaluation]:
    """Those of one JSON record; none where it is no evaluation."""
    parts = record.get("tasks", {name: record})
    if not isinstance(parts, dict):
        return []
    found = []
    for task, part in parts.items():
        measured = part.get("measured") if isinstance(part, dict) else None
        if isinstance(measured, dict) and all(isinstance(one, dict) for one in measured.values()):
            config = part.get("config")
            data = config.get("data", "") if isinstance(config, dict) else ""
            found.append(Evaluation(task, str(data), measured))
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as tell them apart; numbered where nothing does."""
    whole = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {'/'.join(parts[-1:])}" for number, parts in enumerate(whole, 1)]
