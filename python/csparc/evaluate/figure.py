"""One figure of an evaluation: a value that is never without what it is over and its chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc._repr import fields_line

__all__ = ["Figure", "figure_lines", "figures_within", "mean", "plain", "share"]


def mean(items: np.ndarray) -> float:
    """The mean of items [n]; nan of none."""
    return float(np.mean(items)) if len(items) else float("nan")


@dataclass(frozen=True, eq=False)
class Figure:
    """A value, how many items it is over, what chance gives, and what decided how it was made.

    A task puts these into ``TaskResult.figures`` by name, or into dicts there.
    """

    value: float
    """In per cent unless ``unit`` says otherwise; nan where it is over nothing."""
    n: int
    """Items it is over: pictures, captions, pairs."""
    chance: float | None
    """What guessing is expected to give, in the same unit. None where nobody can say: such a figure
    is recorded and not printed."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What decided this figure beside the options of the task, as JSON holds it."""
    items: np.ndarray | None = field(default=None, repr=False)
    """What each item gave, [n, ...], so that items can be drawn again; not recorded."""
    statistic: Callable[[np.ndarray], float] = field(default=mean, repr=False)
    """The value of items: ``statistic(items) == value``."""
    unit: str = "%"
    pictures: np.ndarray | None = field(default=None, repr=False)
    """The picture of each item [n], a number of any kind, so that all items of a picture are drawn
    together; None where each item is a picture."""

    __repr__ = fields_line

    def record(self) -> dict[str, Any]:
        """value, n, chance and config, as JSON holds them: null where over nothing."""
        return {
            "value": _number(self.value),
            "n": int(self.n),
            "chance": _number(self.chance),
            "config": dict(self.config),
        }


def share(hits, chance: float | None, pictures=None, **config: Any) -> Figure:
    """The per cent of items that hit, of bools or shares from 0 to 1 [n]; ``pictures`` [n] as of
    `Figure`."""
    items = 100.0 * np.asarray(hits, dtype=np.float64)
    return Figure(mean(items), len(items), chance, config, items, pictures=pictures)


def figures_within(figures: Mapping[str, Any]) -> dict[str, Figure]:
    """Every `Figure` by its path: ``outer.inner`` of one within a dict."""
    found: dict[str, Figure] = {}
    for name, value in figures.items():
        if isinstance(value, Figure):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}.{path}": one for path, one in figures_within(value).items()}
    return found


def plain(value: Any) -> Any:
    """Figures as JSON holds them: a `Figure` as its record, nan as null."""
    if isinstance(value, Figure):
        return value.record()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def figure_lines(figures: Mapping[str, Any], above: str = "") -> list[str]:
    """Each `Figure` that has a chance as a line: found, chance, items. Those of a dict stand below
    each other under its name."""
    rows = list(_rows(figures, above))
    width = max([32, *(len(name) + 2 for name, _ in rows)])
    head = [f"{'':{width}s}{'found':>10s}{'chance':>10s}{'items':>10s}"] if rows else []
    return head + [
        f"{name:{width}s}{_cell(figure.value, figure.unit)}{_cell(figure.chance, figure.unit)}"
        f"{figure.n:10,d}"
        for name, figure in rows
    ]


def _rows(figures: Mapping[str, Any], above: str) -> list[tuple[str, Figure]]:
    rows: list[tuple[str, Figure]] = []
    for name, value in figures.items():
        if isinstance(value, Figure):
            rows += [(f"{above}{name}", value)] * (value.chance is not None)
        elif isinstance(value, Mapping):
            rows += _rows(value, f"{above}{name} ")
    return rows


def _cell(value: float | None, unit: str) -> str:
    known = value is not None and math.isfinite(value)
    return f"{value:8.2f} {unit or ' '}" if known else f"{'-':>10s}"


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
