"""How numbers and names stand in the tables of a study."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from csparc._text import one_line

_MARKS = (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "'"))


def plain(text: str) -> str:
    """A text on one line that markdown shows as it is."""
    told = one_line(text)
    for mark, escape in _MARKS:
        told = told.replace(mark, escape)
    return told


def short_commit(made: Mapping[str, Any]) -> str:
    """Of a line or what trained it, and whether files differed from it."""
    commit = made.get("commit")
    if commit is None:
        return "none (no repository)"
    return commit[:12] + (" with changed files" if made.get("changed") else "")


def counted(value: Any) -> str:
    """An integer with commas; anything else as it is."""
    return f"{value:,}" if type(value) is int else str(value)


def number(value: float | None) -> str:
    """One digit behind the point, or three of what is smaller than 1."""
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 1 or value == 0 else f"{value:.3f}"


def with_deviation(middle: float | None, around: float | None) -> str:
    """A mean and its deviation, where there is one."""
    return number(middle) if around is None else f"{number(middle)} ± {number(around)}"


def signed(value: float) -> str:
    """As `number`, with its sign."""
    return "-" if math.isnan(value) else f"{value:+.1f}" if abs(value) >= 1 else f"{value:+.3f}"


def small(value: float | None) -> str:
    """A probability."""
    return "-" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def span(values: Iterator[float | None]) -> str:
    """One number, or the least and the greatest; empty where there are none."""
    listed = sorted({number(v) for v in values if v is not None}, key=float)
    return " to ".join(dict.fromkeys((listed[0], listed[-1]))) if listed else ""
