"""``csparc eval all``: every task that a data set allows, on one checkpoint."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from csparc.cli import common, evaluation
from csparc.cli.output import one_line
from csparc.errors import CsparcError
from csparc.evaluate import TASKS, Subject, Task

ABOUT = (
    "Run every task that the data allow, each with its defaults. The others are named with the "
    "reason. With --json the file is written anew after each task."
)


def register(tasks, shared: argparse.ArgumentParser) -> None:
    parser = tasks.add_parser(
        "all", parents=[shared], help="every task that the data allow", description=ABOUT
    )
    common.add_checkpoint(parser)
    common.add_precision(parser)
    common.add_data(parser)
    common.add_reading(parser)
    evaluation.add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.data.shuffled import warn_if_shuffled

    out = common.check_writable(arguments.json) if arguments.json else None
    common.use_threads(arguments.threads)
    subject = evaluation.loaded(arguments.checkpoint, arguments.batch_size, arguments.precision)
    subject = replace(subject, data=common.open_data(arguments.data, arguments))
    warn_if_shuffled(subject.data, "evaluated")
    record = record_of(subject, arguments, out)
    if not record["tasks"]:
        raise ValueError(f"--data: expected data that some task can run on, found {arguments.data}")
    return 0


def record_of(
    subject: Subject, arguments: argparse.Namespace, out: Path | None = None, printed: bool = True
) -> dict[str, Any]:
    """The tasks that a subject allows, by name, and what was left out and why, as JSON values;
    written to ``out`` after each task, and ``printed``."""
    allowed, left_out = tasks_for(subject)
    config = evaluation.config_of(subject, arguments)
    record: dict[str, Any] = {"config": config, "tasks": {}, "left_out": left_out}
    for task in allowed:
        lines = []
        try:
            one = evaluation.evaluated(task, subject, arguments)
        except (CsparcError, ImportError, ValueError) as error:
            left_out[task.name] = one_line(error)
        else:
            record["tasks"][task.name] = one.record(config)
            lines = [f"== {task.name}", *one.lines(), ""]
        if out is not None:
            common.write_text(out, json.dumps(record, indent=2, allow_nan=False) + "\n")
        if printed and lines:
            print("\n".join(lines))
    for name, why in left_out.items():
        common.say(f"left out {name}: {why.removeprefix(f'{name}: ')}")
    return record


def tasks_for(subject: Subject) -> tuple[list[Task], dict[str, str]]:
    """The tasks that take a subject, with their defaults, and of the others why not."""
    allowed, left_out = [], {}
    for name, made in TASKS.items():
        task = made()
        try:
            task.check(subject)
        except (CsparcError, ImportError, ValueError) as error:
            left_out[name] = one_line(error)
        else:
            allowed.append(task)
    return allowed, left_out
