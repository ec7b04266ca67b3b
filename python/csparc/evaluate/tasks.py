"""What a model can be evaluated on: one list of tasks, for ``csparc eval`` and ``--val-tasks``."""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from csparc._registration import enter
from csparc._repr import fields_line, line
from csparc._settings import parse_settings
from csparc.evaluate.figure import Figure, figure_lines, figures_within
from csparc.evaluate.figures import value_at
from csparc.losses.options import Option, checked, declared_options, option

if TYPE_CHECKING:
    from csparc.data.report import BadItems

__all__ = ["TASKS", "Subject", "Task", "TaskResult", "make_task", "option", "register"]

NEEDS = ("model", "data", "loss")
"""What a task may need of its subject. With the model come its tokenizer and preprocessing."""
RESERVED = (
    "allow_outside", "batch_size", "bootstrap", "bootstrap_seed", "checkpoint", "controls",
    "csv_caption_key", "csv_img_key", "csv_separator", "data", "debug", "help", "imported", "json",
    "max_bad", "max_pixels", "precision", "threads",
)  # fmt: skip
"""What flags of every task are called, and its own options are not."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a model with what belongs to it, and data.

    What a task does not need may be None.
    """

    model: Any = None
    """A `csparc.TwoTower`, or what has its ``encode_image`` and ``encode_text``."""
    tokenizer: Any = None
    preprocess: Any = None
    """The `csparc.data.transforms.Preprocess` for evaluation."""
    data: Any = None
    """A `csparc.data.Dataset`."""
    loss: Any = None
    """The `csparc.losses.Loss` it was trained with; None where nobody registered it."""
    loss_specials: bool = False
    """Whether begin and end marks entered the local loss."""
    batch_size: int = 64
    progress: Callable[[int, int], None] | None = None
    """To be called with (pictures done, pictures in all) after each batch."""
    should_stop: Callable[[], bool] = lambda: False
    """To be asked before each batch; True ends the work."""

    __repr__ = fields_line


@dataclass(frozen=True)
class TaskResult:
    """What a task found."""

    figures: dict[str, Any]
    """By name: each a `csparc.evaluate.Figure`, number or text, or a dict of them; NaN where over
    nothing."""
    problems: BadItems | None = None
    """The pictures that were left out, where the task tells."""

    __repr__ = fields_line


class Task(ABC):
    """Something a model is evaluated on.

    A subclass states its facts as class attributes and computes in ``run``. Where it has options it
    is a frozen dataclass whose fields are made by `option`: constructor and command line follow
    from them. `register` enters it under its name. docs/evaluators.md has a whole example.
    """

    name: ClassVar[str]
    """``csparc eval NAME`` and ``--val-tasks NAME``."""
    help: ClassVar[str]
    """A line of the list that ``csparc eval --help`` prints."""
    about: ClassVar[str] = ""
    """What its own ``--help`` says; where nothing, ``help``."""
    needs: ClassVar[tuple[str, ...]] = ("model", "data")
    """Of `NEEDS`, what it cannot do without."""
    takes_features: ClassVar[bool] = False
    """Whether data may be `csparc.features.FrozenFeatures`, which hold no pictures."""
    main: ClassVar[tuple[str, ...]]
    """Its main figures, which a training run logs: keys of ``figures``, ``outer.inner`` within."""

    def __post_init__(self) -> None:
        for field in _fields(type(self)):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))

    def __repr__(self) -> str:
        """The options that are not at their default."""
        return fields_line(self) if dataclasses.is_dataclass(self) else line(self)

    @classmethod
    def options(cls) -> list[Option]:
        """Its options, in the order of the constructor."""
        return declared_options(cls) if dataclasses.is_dataclass(cls) else []

    def config(self) -> dict[str, Any]:
        """What is recorded beside its figures: its options."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    def reading(self) -> dict[str, Any]:
        """Keywords of `csparc.data.open` that its options ask for, where a command opens data."""
        return {}

    def check(self, subject: Subject) -> None:
        """Refuse what it cannot run on, before any work.

        Raises
        ------
        ValueError
            What it needs is not there.
        """
        for need in self.needs:
            if getattr(subject, need) is None:
                why = ": nobody registered it here" if need == "loss" else ""
                raise ValueError(f"{self.name}: expected a subject with {need}, found none{why}")
        if getattr(subject.data, "has_rows", False) and not self.takes_features:
            raise ValueError(
                f"{self.name}: expected data with pictures, found {subject.data.spec}, which has "
                "none; --val-data takes pictures beside --features"
            )

    @abstractmethod
    def run(self, subject: Subject) -> TaskResult | None:
        """Its figures; None when asked to stop."""

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """The figures as lines of text: where a task does not say, every `Figure` beside its
        chance, or if there is none the main figures."""
        return figure_lines(figures) or [
            f"{key:32s}{value:10.4g}" for key, value in self.main_figures(figures).items()
        ]

    def measured(self, figures: Mapping[str, Any]) -> dict[str, Figure]:
        """Figures by their paths, ``outer.inner``: what intervals and controls stand beside. Where
        a task does not say, every `Figure`."""
        return figures_within(figures)

    def main_figures(self, figures: Mapping[str, Any]) -> dict[str, float]:
        """The main figures by name, without those that are over nothing or are not there."""
        found: dict[str, float] = {}
        for path in self.main:
            value = value_at(figures, path.split("."))
            value = value.value if isinstance(value, Figure) else value
            if value is not None and math.isfinite(value):
                found[path] = float(value)
        return found


_CLASSES: dict[str, type[Task]] = {}
TASKS: Mapping[str, type[Task]] = MappingProxyType(_CLASSES)
"""Name -> class, in the order of registration: those of csparc first, then a person's own."""


def run_task(task: Task, subject: Subject) -> TaskResult | None:
    """``task.run(subject)``, the weights of the model prepacked where it has that."""
    with prepacked(subject.model):
        return task.run(subject)


def prepacked(model: Any) -> AbstractContextManager[None]:
    """``model.prepacked()`` of a `csparc.TwoTower` and what stands for one, else nothing."""
    return model.prepacked() if hasattr(model, "prepacked") else nullcontext()


def register(cls: type[Task]) -> type[Task]:
    """Enter a task under its name: a decorator for a subclass of `Task`.

    From then on ``csparc eval NAME`` and ``csparc train --val-tasks NAME`` know it.
    ``csparc --import MODULE ...`` imports a module that registers tasks.

    Raises
    ------
    TypeError
        What is no such class, or lacks a fact, ``run`` or the description of an option.
    ValueError
        Another class has this name. The same class defined again, as a cell of a notebook does,
        takes the place of the one before.
    """
    enter(_CLASSES, cls, Task, "task", _check_facts)
    return cls


def make_task(text: str) -> Task:
    """The task of ``NAME``, or of ``NAME:KEY=VALUE;KEY=VALUE`` with options.

    Raises
    ------
    ValueError
        An unknown name or option, or a value that is not of its type.
    """
    name, colon, settings = text.partition(":")
    if name not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, found {name!r}")
    hints = {option.name: option.hint for option in TASKS[name].options()}
    given = parse_settings(f"task {name}", settings.split(";") if colon else (), hints)
    return TASKS[name](**given)


def any_text(value: Any, name: str) -> str:
    """The check of an option that is any text.

    Raises
    ------
    ValueError
        No text, or an empty one.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: expected a text, found {value!r}")
    return value


def _fields(cls: type[Task]) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()


def _check_facts(cls: type[Task]) -> None:
    """Refuse a class whose name, help, needs, main figures or options are not as `Task` says."""
    name, text, needs, main = (
        getattr(cls, fact, None) for fact in ("name", "help", "needs", "main")
    )
    texts = isinstance(main, tuple) and main and all(isinstance(key, str) for key in main)
    for fact, found, right, expected in (
        ("name", name, isinstance(name, str) and name != "all" and _NAME.fullmatch(name),
         "lower-case letters, digits, - and _, but not all"),
        ("help", text, isinstance(text, str) and text, "a line of text"),
        ("needs", needs, isinstance(needs, tuple) and set(needs) <= set(NEEDS),
         f"a tuple of names among {', '.join(NEEDS)}"),
        ("main", main, texts, "a tuple of keys of its figures"),
    ):  # fmt: skip
        if not right:
            raise TypeError(f"{cls.__name__}.{fact}: expected {expected}, found {found!r}")
    taken = [option.name for option in cls.options() if option.name in RESERVED]
    if taken:
        raise TypeError(
            f"{cls.__name__}.{taken[0]}: expected an option that is called as no flag of all tasks "
            f"is ({', '.join(RESERVED)})"
        )
