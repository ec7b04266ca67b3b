"""Several curves in one chart, each in the colour of its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from csparc._repr import fields_line
from csparc.demo.page.svg import central, frame


@dataclass(frozen=True)
class Line:
    """A curve by its name, the number of its colour, and its points [n]."""

    name: str
    colour: int
    steps: np.ndarray
    values: np.ndarray

    __repr__ = fields_line


def lines_chart(title: str, lines: Sequence[Line]) -> str:
    """Curves over the same axes. ``title`` and each last value become the text a screen reader
    says; colours are the classes ``run0``, ``run1`` and so on of the page's style."""
    shown = np.concatenate([central(line.values) for line in lines])
    steps = np.concatenate([line.steps for line in lines])
    told = [f"{line.name} {line.values[-1]:.4g} at step {int(line.steps[-1])}" for line in lines]
    axes = frame(shown, float(steps.min()), float(steps.max()))
    parts = [axes.head(f"{title}: {', '.join(told)}"), axes.ticks()]
    for line in lines:
        x, y = axes.place(line.steps, line.values)
        parts.append(
            f'<polyline class="line run{line.colour}" points="{axes.points(x, y)}"/>'
            f'<circle class="dot run{line.colour}" cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="3">'
            f"<title>{escape(line.name)}</title></circle>"
        )
    return "".join([*parts, "</svg>"])
