"""The options of a loss: each declared once, as a field of its class, with all that is said of it.

::

    keep: float = option(0.2, "Share of patches and of tokens that serve as keys.", paper="0.25")

Constructor, ``config()``, ``--loss-opt``, help and the tables of the documentation follow from it.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csparc._repr import fields_line
from csparc._scalars import choice, flag, number, whole_number

Check = Callable[[Any, str], Any]
"""``check(value, name)``: the value as the class holds it; raises where it is not allowed."""


@dataclass(frozen=True)
class Entry:
    """What is said about an option, beside its type and default."""

    about: str
    """One sentence."""
    check: Check
    choices: tuple[str, ...] = ()
    """The texts it may be, the class's own constant."""
    paper: str = ""
    """What the paper of the objective says, where it says something."""
    code: str = ""
    """What the paper's listing (SPARC) or the authors' public code (the others) does."""
    question: str = ""
    """What the paper leaves open here, in a few words: these options are listed in the README."""
    short: str = ""
    """Another key of ``--loss-opt`` for it, where a function has an argument of that name."""

    __repr__ = fields_line


def option(
    default: Any,
    about: str,
    choices: tuple[str, ...] = (),
    *,
    check: Check | None = None,
    **said: str,
) -> Any:
    """A field of a loss's class that is one of its options.

    Parameters
    ----------
    default : float, int, bool, str or None
        None is allowed as a value where it is the default.
    about : str
        One sentence on what it does.
    choices : tuple of str
        For a text: what it may be.
    check : callable, optional
        ``check(value, name)`` returns the value to hold or raises. By default one of ``choices``;
        True or False, a whole number of at least 1, or a finite number, as ``default`` is.
    **said
        ``paper``, ``code``, ``question``, ``short``: see `Entry`.
    """
    entry = Entry(about, check or _usual_check(default, choices), choices, **said)
    return dataclasses.field(default=default, metadata={"entry": entry})


def _usual_check(default: Any, choices: tuple[str, ...]) -> Check:
    if choices:
        return lambda value, name: choices[choice(value, name, choices)]
    if isinstance(default, bool):
        return flag
    return count if isinstance(default, int) else number


def count(value: object, name: str) -> int:
    """A whole number of at least 1."""
    return whole_number(value, name, low=1)


@dataclass(frozen=True)
class Option:
    """One option of a loss: a keyword of its class, a key of ``--loss-opt``."""

    name: str
    hint: Any
    """The type the class declares."""
    default: Any
    entry: Entry
    code_is: str = "public code"
    """What ``entry.code`` speaks of."""

    __repr__ = fields_line

    def values(self) -> list[str]:
        """What it may be, as ``--loss-opt`` takes it, the default first."""
        if self.entry.choices:
            others = [choice for choice in self.entry.choices if choice != self.default]
            return [self.default, *others]
        if isinstance(self.default, bool):
            return ["true", "false"] if self.default else ["false", "true"]
        kinds = [_KINDS[kind] for kind in _alternatives(self.hint) if kind is not type(None)]
        default = "none" if self.default is None else f"{self.default:g}"
        return [default, *kinds]


_KINDS = {float: "a number", int: "a whole number"}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def checked(field: dataclasses.Field, value: Any) -> Any:
    """``value`` as the option ``field`` holds it.

    Raises
    ------
    ValueError, TypeError
        Naming the option, what was expected and what was found.
    """
    if value is None and field.default is None:
        return None
    return field.metadata["entry"].check(value, field.name)


def declared_options(cls: type) -> list[Option]:
    """The options a class declares, in the order of its constructor.

    Raises
    ------
    TypeError
        A field that is not declared by `option`: nothing is said of it.
    """
    fields = dataclasses.fields(cls)
    for field in fields:
        if "entry" not in field.metadata:
            raise TypeError(
                f"{cls.__name__}.{field.name}: expected option(default, about), so that help and "
                f"documentation can say what it is; found the default {field.default!r}"
            )
    hints = typing.get_type_hints(cls.__init__) if fields else {}
    code_is = getattr(cls, "code_is", Option.code_is)
    return [
        Option(field.name, hints[field.name], field.default, field.metadata["entry"], code_is)
        for field in fields
    ]
