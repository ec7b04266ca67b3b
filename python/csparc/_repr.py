"""One short line for every object: arrays by type and shape, containers by their size.

A line is for a prompt, a log or an error message. Whoever wants the values asks for the field.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping, Sequence, Set
from typing import Any

LONGEST = 116
"""Characters of a line; entries that do not fit are left out, and three dots say so."""
LONGEST_VALUE = 40
"""Characters of one entry's value."""


def short(value: object) -> str:
    """One value: an array by type and shape, a number with six digits, a container by its size."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and hasattr(value, "dtype"):
        return f"{value.dtype} {list(shape)}"
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, int)):
        return f"{float(value):.6g}"
    if isinstance(value, (Mapping, Set)) or (isinstance(value, Sequence) and len(value) > 4):
        if not isinstance(value, (str, bytes)):
            return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
    elif isinstance(value, (list, tuple)):
        inner = ", ".join(short(entry) for entry in value)
        return cut(f"[{inner}]" if isinstance(value, list) else f"({inner})", LONGEST_VALUE)
    return cut(repr(value), LONGEST_VALUE)


def cut(text: str, longest: int = LONGEST) -> str:
    """``text`` on one line of at most ``longest`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def line(owner: object, *told: str, **fields: object) -> str:
    """``Class(told, field=value)`` of an object, as much of it as fits."""
    entries = [cut(text, LONGEST) for text in told]
    entries += [f"{name}={short(value)}" for name, value in fields.items()]
    name, kept, used = type(owner).__name__, [], 0
    for entry in entries:
        used += len(entry) + 2
        if len(name) + used + len("(...)") > LONGEST:
            kept.append("...")
            break
        kept.append(entry)
    return f"{name}({', '.join(kept)})"


def fields_line(self: Any) -> str:
    """The ``__repr__`` of a dataclass: the fields that are not at their defaults."""
    given = {
        field.name: getattr(self, field.name)
        for field in dataclasses.fields(self)
        if field.repr and not _is_default(field, getattr(self, field.name))
    }
    return line(self, **given)


def _is_default(field: dataclasses.Field, value: object) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return isinstance(value, (Mapping, Sequence, Set)) and not value
    if isinstance(value, (bool, numbers.Number, str, tuple)):
        return type(value) is type(field.default) and value == field.default
    return value is field.default
