"""What ``csparc eval TASK``, ``csparc eval all`` and ``csparc report`` do alike: flags, a task run
with its intervals and controls, and its record."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from csparc._precision import PRECISIONS
from csparc._repr import fields_line
from csparc.cli import common
from csparc.evaluate import Subject, Task, TaskResult
from csparc.evaluate.beside import Beside, beside, beside_lines
from csparc.evaluate.figure import plain
from csparc.evaluate.tasks import run_task


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What all tasks have."""
    parser.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    add_beside(parser)
    common.add_threads(parser)


def add_beside(parser: argparse.ArgumentParser) -> None:
    """What is to stand beside figures."""
    parser.add_argument(
        "--bootstrap",
        type=common.positive_int,
        metavar="N",
        help="beside each figure its 95%% interval over N draws of the pictures (such as 1000)",
    )
    parser.add_argument(
        "--bootstrap-seed", type=int, default=0, metavar="N", help="of the draws (default 0)"
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="beside each figure the same of an untrained model, of one that answers always the "
        "same, of the model on other pictures, and on scenes of colours alone",
    )


@dataclass(frozen=True)
class Evaluated:
    """What a task found, and what stands beside its figures."""

    task: Task
    found: TaskResult
    rows: Mapping[str, Beside]

    __repr__ = fields_line

    def record(self, config: dict[str, Any]) -> dict[str, Any]:
        """The figures as JSON values, by path in ``measured``; ``config`` says what they are of."""
        record = plain(self.found.figures)
        if self.rows:
            record["measured"] = {path: row.record() for path, row in self.rows.items()}
        record["config"] = config | self.task.config()
        if self.found.problems is None:
            return record
        return record | {"bad_items": len(self.found.problems)}

    def lines(self) -> list[str]:
        """The figures as the task prints them, then those with something beside them."""
        lines = self.task.lines(self.found.figures)
        if any(row.interval is not None or row.controls for row in self.rows.values()):
            lines += ["", *beside_lines(self.rows)]
        problems = self.found.problems
        return [*lines, problems.summary()] if problems else lines


def evaluated(task: Task, subject: Subject, arguments: argparse.Namespace) -> Evaluated:
    """A task on a subject, with what `add_beside` asked for."""
    if arguments.controls:
        from csparc.evaluate.controls import run_with_controls

        found, controls = run_with_controls(task, subject, run=_shown)
    else:
        found, controls = _shown(task.name, task, subject), {}
    measured = task.measured(found.figures)
    rows = beside(measured, controls, arguments.bootstrap, arguments.bootstrap_seed)
    return Evaluated(task, found, rows)


def _shown(name: str, task: Task, subject: Subject) -> TaskResult:
    """A task, or a control of it, with its progress."""
    from csparc._progress import Progress

    what = "encoding" if name == task.name else f"encoding, {name}"
    shown: Any = nullcontext()
    if subject.data is not None:
        shown = Progress(what, len(subject.data), "picture")
    with shown as progress:
        return run_task(task, replace(subject, progress=progress and progress.to))


def loaded(checkpoint: str, batch_size: int, precision: str) -> Subject:
    """A checkpoint as a subject, without data."""
    from csparc.cli.session import load_session

    session = load_session(checkpoint, precision)
    parts = ("model", "tokenizer", "preprocess", "loss", "loss_specials")
    return Subject(batch_size=batch_size, **{part: getattr(session, part) for part in parts})


def config_of(subject: Subject, arguments: argparse.Namespace) -> dict[str, Any]:
    """What figures are of, and how what stands beside them was made."""
    config: dict[str, Any] = {}
    if "checkpoint" in arguments:
        config["checkpoint"] = str(arguments.checkpoint)
    if getattr(arguments, "precision", PRECISIONS[0]) != PRECISIONS[0]:
        config["precision"] = arguments.precision
    if subject.data is not None:
        config["data"] = subject.data.spec
    if arguments.bootstrap is not None:
        config |= {"bootstrap": arguments.bootstrap, "bootstrap_seed": arguments.bootstrap_seed}
    return config
