"""Small line charts as SVG text whose colours come from the page, so they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from csparc._repr import fields_line

WIDTH, HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 24
_MOST_POINTS = 240


def line_chart(
    title: str,
    steps: Sequence[float],
    values: Sequence[float],
    smoothed: Sequence[float],
    *,
    reference: tuple[str, float] | None = None,
) -> str:
    """One curve: the raw values faint, the smoothed ones bold, an optional dashed reference line.

    ``title`` and the first and last smoothed value become the text a screen reader says. Colours
    are the classes ``raw``, ``line``, ``reference``, ``axis`` and ``tick`` of the page's style.
    """
    steps, values = np.asarray(steps, float), np.asarray(values, float)
    smoothed = np.asarray(smoothed, float)
    shown = np.concatenate([central(values), smoothed, [reference[1]] if reference else []])
    axes = frame(shown, steps[0], steps[-1])
    spoken = (
        f"{title}: from {_number(smoothed[0])} at step {int(steps[0])} to "
        f"{_number(smoothed[-1])} at step {int(steps[-1])}"
    )
    parts = [axes.head(spoken), axes.ticks()]
    if reference:
        y = axes.place([0.0], [reference[1]])[1][0]
        parts.append(
            f'<line class="reference" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text class="tick" x="{WIDTH - _RIGHT}" y="{y - 5:.1f}" '
            f'text-anchor="end">{escape(reference[0])}</text>'
        )
    for kind, series in (("raw", values), ("line", smoothed)):
        x, y = axes.place(steps, series)
        parts.append(f'<polyline class="{kind}" points="{axes.points(x, y)}"/>')
    parts.append(f'<circle class="dot" cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="3"/></svg>')
    return "".join(parts)


@dataclass(frozen=True)
class Frame:
    """The axes of a chart: its first and last step, its lowest and highest value."""

    first: float
    last: float
    low: float
    high: float

    __repr__ = fields_line

    def head(self, spoken: str) -> str:
        """The beginning of the chart, which says ``spoken`` to who does not see it."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(spoken)}"><title>{escape(spoken)}</title>'
        )

    def place(self, steps: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Where points lie; values beyond the axes lie on their ends."""
        share = (np.asarray(steps, float) - self.first) / (self.last - self.first)
        clipped = np.clip(values, self.low, self.high)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT), _height_of(clipped, self.low, self.high)

    def points(self, x: np.ndarray, y: np.ndarray) -> str:
        """Those of a line, thinned where there are more than a chart shows."""
        keep = np.unique(np.linspace(0, len(x) - 1, min(_MOST_POINTS, len(x))).astype(int))
        return " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in keep)

    def ticks(self) -> str:
        """Round numbers beside both axes."""
        parts = []
        for tick in _ticks(self.low, self.high):
            y = _height_of(tick, self.low, self.high)
            parts.append(
                f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" '
                f'y2="{y:.1f}"/><text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" '
                f'text-anchor="end">{_number(tick)}</text>'
            )
        for tick in _ticks(self.first, self.last, 4):
            x = float(self.place([tick], [self.low])[0][0])
            anchor = "end" if x > WIDTH - _RIGHT - 12 else "middle"
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 7}" '
                f'text-anchor="{anchor}">{_number(tick)}</text>'
            )
        return "".join(parts)


def frame(shown: np.ndarray, first: float, last: float) -> Frame:
    """The axes for values ``shown`` from step ``first`` to ``last``."""
    return Frame(first, max(last, first + 1), *_range(shown))


def central(values: np.ndarray) -> np.ndarray:
    """The values without the extreme hundredths: one spike must not flatten a curve."""
    return np.quantile(values, [0.01, 0.99])


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low >= 0 and low < 0.35 * high:
        low = 0.0
    if high - low < 1e-9 * max(abs(high), 1e-9):
        low, high = low - 0.5, high + 0.5
    return low, high + 0.04 * (high - low)


def _height_of(value, low: float, high: float):
    return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    if value and abs(value) >= 10000:
        return f"{value / 1000:g}k"
    return f"{round(value, 3):g}" if abs(value) < 10 else f"{round(value, 1):g}"
