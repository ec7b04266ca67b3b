"""Small line charts as SVG text whose colours come from the page, so they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

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
    keep = np.unique(np.linspace(0, len(steps) - 1, min(_MOST_POINTS, len(steps))).astype(int))
    shown = np.concatenate([_central(values), smoothed, [reference[1]] if reference else []])
    low, high = _range(shown)
    right = max(steps[-1], steps[0] + 1)
    x = _LEFT + (steps - steps[0]) / (right - steps[0]) * (WIDTH - _LEFT - _RIGHT)
    spoken = (
        f"{title}: from {_number(smoothed[0])} at step {int(steps[0])} to "
        f"{_number(smoothed[-1])} at step {int(steps[-1])}"
    )
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(spoken)}"><title>{escape(spoken)}</title>'
    ]
    for tick in _ticks(low, high):
        y = _height_of(tick, low, high)
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" '
            f'text-anchor="end">{_number(tick)}</text>'
        )
    for tick in _ticks(steps[0], right, 4):
        place = _LEFT + (tick - steps[0]) / (right - steps[0]) * (WIDTH - _LEFT - _RIGHT)
        anchor = "end" if place > WIDTH - _RIGHT - 12 else "middle"
        parts.append(
            f'<text class="tick" x="{place:.1f}" y="{HEIGHT - 7}" '
            f'text-anchor="{anchor}">{_number(tick)}</text>'
        )
    if reference:
        y = _height_of(reference[1], low, high)
        parts.append(
            f'<line class="reference" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text class="tick" x="{WIDTH - _RIGHT}" y="{y - 5:.1f}" '
            f'text-anchor="end">{escape(reference[0])}</text>'
        )
    for kind, series in (("raw", values), ("line", smoothed)):
        y = _height_of(np.clip(series, low, high), low, high)
        points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in keep)
        parts.append(f'<polyline class="{kind}" points="{points}"/>')
    end = _height_of(min(max(smoothed[-1], low), high), low, high)
    parts.append(f'<circle class="dot" cx="{x[-1]:.1f}" cy="{end:.1f}" r="3"/></svg>')
    return "".join(parts)


def _central(values: np.ndarray) -> np.ndarray:
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
