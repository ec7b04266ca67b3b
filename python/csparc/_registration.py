"""Classes that a program enters under their names, from the package or from a file of one's own."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable


def enter(
    classes: dict[str, type], cls: type, base: type, kind: str, check: Callable[[type], None]
) -> None:
    """Enter a subclass of ``base`` under its ``name``, once ``check`` has let its facts pass.

    ``kind`` is what messages call one of them. The same class defined again, as a cell of a
    notebook does, takes the place of the one before.

    Raises
    ------
    TypeError
        What is no such class, cannot be made, changes after it is made, or does not pass.
    ValueError
        Another class has this name.
    """
    if not (isinstance(cls, type) and issubclass(cls, base)):
        home = ".".join(base.__module__.split(".")[:2])
        raise TypeError(f"register: expected a subclass of {home}.{base.__name__}, found {cls!r}")
    if inspect.isabstract(cls):
        methods = ", ".join(sorted(cls.__abstractmethods__))
        raise TypeError(f"{cls.__name__}: expected a {kind} that computes, found no {methods}")
    if dataclasses.is_dataclass(cls) and not cls.__dataclass_params__.frozen:
        raise TypeError(
            f"{cls.__name__}: expected a @dataclass(frozen=True), found one that changes"
        )
    check(cls)
    before = classes.get(cls.name)
    if before is not None and _path(before) != _path(cls):
        raise ValueError(
            f"{cls.__name__}.name: expected a name that no other {kind} has, found {cls.name!r}, "
            f"which is {_path(before)}"
        )
    classes[cls.name] = cls


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
