"""``csparc eval TASK``: a task of `csparc.evaluate.TASKS` on a checkpoint."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from csparc._settings import parse_value, takes
from csparc.cli import common, evaluate_all, evaluation
from csparc.evaluate import TASKS, Subject, Task
from csparc.losses.options import Option


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "eval",
        parents=[shared],
        help="evaluate a checkpoint",
        description="Evaluate a checkpoint on a data set.",
    )
    parser.set_defaults(parser=parser)
    tasks = parser.add_subparsers(title="tasks", metavar="TASK")
    for name, task in TASKS.items():
        of_task = tasks.add_parser(
            name,
            parents=[shared],
            help=_literal(task.help),
            description=_literal(task.about or task.help),
        )
        _add_flags(of_task, task)
        of_task.set_defaults(run=run, task=task)
    evaluate_all.register(tasks, shared)


def _add_flags(parser: argparse.ArgumentParser, task: type[Task]) -> None:
    """What the task needs, its options, and what all tasks have."""
    if {"model", "loss"} & set(task.needs):
        common.add_checkpoint(parser)
        common.add_precision(parser)
    if "data" in task.needs:
        common.add_data(parser)
        common.add_reading(parser)
    for option in task.options():
        _add_option(parser, option)
    evaluation.add_flags(parser)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    """An option of a task as a flag."""
    if isinstance(option.default, bool):
        how: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    elif option.entry.choices:
        how = {"choices": option.entry.choices}
    else:
        kinds = {str: "TEXT", float: "X"}
        metavar = next((name for kind, name in kinds.items() if takes(option.hint, kind)), "N")
        how = {"type": _type_of(option), "metavar": metavar}
    parser.add_argument(
        f"--{option.name.replace('_', '-')}",
        dest=option.name,
        default=option.default,
        help=_literal(option.entry.about),
        **how,
    )


def _type_of(option: Option) -> Callable[[str], Any]:
    """An argparse type: what the option's declaration takes."""

    def value(text: str) -> Any:
        try:
            return option.entry.check(parse_value(option.name, text, option.hint), option.name)
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return value


def _literal(text: str) -> str:
    """A help text in which argparse replaces nothing."""
    return text.replace("%", "%%")


def run(arguments: argparse.Namespace) -> int:
    out = common.check_writable(arguments.json) if arguments.json else None
    given = {option.name: getattr(arguments, option.name) for option in arguments.task.options()}
    task = arguments.task(**given)
    common.use_threads(arguments.threads)
    subject = _subject(task, arguments)
    task.check(subject)
    one = evaluation.evaluated(task, subject, arguments)
    if out is not None:
        record = one.record(evaluation.config_of(subject, arguments))
        text = json.dumps(record, indent=2, allow_nan=False)
        common.write_text(out, f"{text}\n")
    for line in one.lines():
        print(line)
    return 0


def _subject(task: Task, arguments: argparse.Namespace) -> Subject:
    """What the task needs, loaded and opened."""
    from csparc.data.shuffled import warn_if_shuffled

    subject = Subject(batch_size=arguments.batch_size)
    if {"model", "loss"} & set(task.needs):
        subject = evaluation.loaded(arguments.checkpoint, arguments.batch_size, arguments.precision)
    if "data" in task.needs:
        data = common.open_data(arguments.data, arguments, **task.reading())
        warn_if_shuffled(data, "evaluated")
        subject = replace(subject, data=data)
    return subject
