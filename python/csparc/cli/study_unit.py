"""One unit of a study in this process: the flags of ``csparc train``, training, evaluation."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csparc.cli import common, train
from csparc.errors import CheckpointError, CsparcError, DataError
from csparc.evaluate.figure import plain

if TYPE_CHECKING:
    from csparc.evaluate import Task
    from csparc.study import Study, Unit

DECIDED = ("help", "out", "resume", "overwrite", "seed", "threads", "progress")
"""Flags of ``csparc train`` that the driver gives itself."""
_NO_FINDING = (OSError, ImportError, DataError, CheckpointError)
"""Errors of the machine or the data: they end the study and are no result of a setting."""


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong, for a caller that knows the setting."""

    def error(self, message: str) -> None:
        raise ValueError(message)


def _train_parser() -> argparse.ArgumentParser:
    commands = _Parser(prog="csparc", allow_abbrev=False).add_subparsers()
    train.register(commands, argparse.ArgumentParser(add_help=False))
    return commands.choices["train"]


def flags() -> list[str]:
    """The flags of ``csparc train`` that a setting may give, without dashes."""
    known = [word[2:] for word in _train_parser()._option_string_actions if word.startswith("--")]
    return [flag for flag in known if flag not in DECIDED]


def arguments_of(unit: Unit, out: str | os.PathLike, threads: int) -> argparse.Namespace:
    """The unit as ``csparc train`` reads it.

    Raises
    ------
    ValueError
        Naming the setting and the flag.
    """
    words = [
        *unit.arguments(), f"--out={os.fspath(out)}", "--resume=latest", f"--seed={unit.seed}",
        f"--threads={threads}", "--progress=lines",
    ]  # fmt: skip
    try:
        return _train_parser().parse_args(words)
    except ValueError as error:
        raise ValueError(f"setting {unit.setting}: {error}") from error


def check(study: Study, units: Collection[Unit]) -> None:
    """Refuse, before anything is trained, flags, data and tasks that cannot work together.

    Raises
    ------
    ValueError, TypeError, DataError
        Naming the setting.
    """
    from csparc.evaluate import Subject

    tasks = tasks_of(study)
    opened: dict[Any, Any] = {}
    for unit in {unit.setting: unit for unit in units}.values():
        arguments = arguments_of(unit, "checked", 1)
        try:
            config, loss, overrides = train.settle(arguments)
            for spec in (arguments.val_data, study.data):
                if spec is not None and spec not in opened:
                    beside = arguments.train_data or ()
                    opened[spec] = common.open_silently(spec, arguments, beside)
            trains_on = (
                *(arguments.train_data or arguments.features), arguments.mix, arguments.mix_batches,
                arguments.csv_hard_negative_key,
            )  # fmt: skip
            if trains_on not in opened:
                opened[trains_on] = train.training_data(arguments)
            config.total_steps(opened[trains_on].epoch_length)
            model = train.untrained(arguments, loss, overrides)
            for task in tasks.values():
                task.check(Subject(model, model, model, opened[study.data], loss))
        except (CsparcError, TypeError, ValueError) as error:
            raise ValueError(f"setting {unit.setting}: {error}") from error


def tasks_of(study: Study) -> dict[str, Task]:
    """The tasks by the name their figures are under."""
    from csparc.evaluate import make_task

    return {label: make_task(text) for label, text in study.tasks.items()}


def run(study: Study, unit: Unit, out: Path, threads: int) -> None:
    """Train the unit, or what is left of it, evaluate it, and leave its result in its folder.

    Raises
    ------
    KeyboardInterrupt
        Asked to end; the step is saved.
    CsparcError, OSError
        The data or the machine are at fault: nothing is left as a result.
    """
    from csparc.checkpoint.folder import write_text_atomically
    from csparc.study.clock import Clock
    from csparc.study.driver import failure, named
    from csparc.study.provenance import note_trainer, provenance
    from csparc.study.results import CLOCK, RESULT, RUN, TRAINED_BY, UNITS

    folder = out / UNITS / unit.folder
    folder.mkdir(parents=True, exist_ok=True)
    made, trains = provenance(), not (folder / RESULT).exists()
    trained_by = note_trainer(folder / TRAINED_BY, made, trains)
    record = {**named(study.name, unit), **made, "threads": threads, "trained_by": trained_by}
    failed, facts, figures = None, {}, {}
    with Clock(folder / CLOCK, "training" if trains else "evaluation") as clock:
        try:
            arguments = arguments_of(unit, folder / RUN, threads)
            train.run(arguments)
            clock.next("evaluation")
            facts, figures = evaluated(study, arguments)
        except _NO_FINDING:
            raise
        except Exception as error:
            if isinstance(error.__cause__, OSError):
                raise
            failed = failure(f"{type(error).__name__}: {error}", folder / RUN)
    for phase, spent in clock.spent.items():
        facts |= {f"{phase}_{key}": value for key, value in spent.items()}
    record |= {**facts, "figures": figures, "failure": failed}
    text = json.dumps(record, allow_nan=False)
    write_text_atomically(folder / RESULT, text)


def evaluated(study: Study, arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was trained, and its figures on the held-out data by task."""
    from csparc.cli.session import load_session
    from csparc.evaluate import Subject
    from csparc.evaluate.tasks import run_task
    from csparc.study.curves import shortened
    from csparc.viz import read_log

    session = load_session(arguments.out)
    counters, recorded = session.metadata.counters, session.metadata.data
    opened: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for label, task in tasks_of(study).items():
        reading = task.reading()
        key = repr(reading)
        if key not in opened:
            opened[key] = common.open_silently(
                study.data, arguments, arguments.train_data or (), **reading
            )
        subject = Subject(
            session.model, session.tokenizer, session.preprocess, opened[key], session.loss,
            session.loss_specials, study.batch_size,
        )  # fmt: skip
        task.check(subject)
        figures[label] = plain(run_task(task, subject).figures)
    held_out = next(iter(opened.values()), None)
    facts = {
        "data": {
            "training": recorded["training"]["fingerprint"],
            "held_out": None if held_out is None else held_out.fingerprint(),
        },
        "steps": counters.step,
        "examples": counters.samples_seen,
        "parameters": sum(p.data.size for p in session.model.parameters.values()),
        "curve": shortened(read_log(Path(arguments.out) / "log.jsonl")),
    }
    return facts, figures


def state(out: Path, unit: Unit, record: dict[str, Any] | None) -> str:
    """What is known of a unit, for a list."""
    from csparc.study.results import RUN, UNITS

    if record is not None:
        failed = record["failure"]
        return "done" if failed is None else f"failed: {failed['error']}"
    log = out / UNITS / unit.folder / RUN / "log.jsonl"
    return f"begun, step {log.read_bytes().count(10)}" if log.exists() else "to do"


def end_with_input() -> None:
    """End this process when its standard input does, that is when the driver is no more."""

    def watch() -> None:
        # Of the file itself: Python aborts at its end where a thread waits in sys.stdin.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
