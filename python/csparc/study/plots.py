"""Plots of a study's report: every seed as a point, intervals of paired differences, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csparc._extras import require
from csparc.study.curves import compared_curves
from csparc.study.report import Report
from csparc.viz.alignment import THEMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_COLOURS = THEMES["light"]
_POINT, _CHANCE, _CEILING = "#0072b2", "#d55e00", "#009e73"
_ACROSS = 3


def plot_figures(found: Report) -> Drawing | None:
    """A panel a figure: settings from top to bottom, a point a seed, the mean and its standard
    deviation, chance dashed, ceiling dotted. None without a figure that has a value."""
    tables = [(f, rows) for f, rows in found.tables if any(row.found.n for row in rows)]
    if not tables:
        return None
    drawing, panels = _panels(len(tables), len(found.study.settings))
    for axes, (figure, rows) in zip(panels, tables):
        for place, row in enumerate(rows):
            axes.plot(row.found.values, [place] * row.found.n, "o", color=_POINT, alpha=0.35,
                      markersize=4, markeredgewidth=0)  # fmt: skip
            if row.found.mean is not None:
                axes.errorbar(row.found.mean, place, xerr=row.found.deviation, fmt="|",
                              color=_POINT, markersize=11, linewidth=1.5)  # fmt: skip
            for value, colour, style in ((row.chance, _CHANCE, "--"), (row.ceiling, _CEILING, ":")):
                if value is not None:
                    axes.plot([value, value], [place - 0.5, place + 0.5], style, color=colour)
        _label(axes, figure.title, [row.setting for row in rows])
    return drawing


def plot_differences(found: Report) -> Drawing | None:
    """A panel a primary figure: the paired differences with their 95 % intervals, and 0. None
    where there is no pair."""
    compared = [one for one in found.comparisons if one.found.n]
    figures = list(dict.fromkeys(one.figure for one in compared))
    if not figures:
        return None
    drawing, panels = _panels(len(figures), len(found.study.comparisons))
    for axes, figure in zip(panels, figures):
        shown = [one for one in compared if one.figure == figure]
        for place, one in enumerate(shown):
            sure = one.found.direction is not None
            colour = _POINT if sure else _COLOURS["quiet"]
            axes.plot(one.found.mean, place, "o" if sure else "x", color=colour)
            if one.found.low is not None:
                axes.plot([one.found.low, one.found.high], [place, place], color=colour)
        axes.axvline(0, color=_CHANCE, linestyle="--")
        _label(axes, figure.title, [f"{one.first} − {one.second}" for one in shown])
    return drawing


def plot_curves(found: Report) -> Drawing | None:
    """A column a comparison: above, the smoothed losses of both settings, every seed thin and their
    mean thick; below, the difference of the means beside the spread of seeds. None without one."""
    compared = list(compared_curves(found))
    if not compared:
        return None
    drawing, panels = _panels(2 * len(compared), 7, across=len(compared))
    for column, one in enumerate(compared):
        losses, apart = panels[column], panels[column + len(compared)]
        both = ((one.first, one.first_losses, _CHANCE), (one.second, one.second_losses, _POINT))
        for name, values, colour in both:
            losses.plot(one.steps, values.T, color=colour, alpha=0.3, linewidth=0.7)
            losses.plot(one.steps, values.mean(axis=0), color=colour, linewidth=1.6, label=name)
        losses.legend(frameon=False, fontsize=8)
        _frame(losses, f"loss, mean of {one.window} steps, {len(one.seeds)} seeds")
        if one.deviation is not None:
            apart.fill_between(
                one.steps, -one.deviation, one.deviation, color=_COLOURS["quiet"], alpha=0.25,
                linewidth=0, label="± standard deviation over seeds",
            )  # fmt: skip
        apart.plot(one.steps, one.difference, color=_CEILING, label="difference of the means")
        apart.axhline(0, color=_COLOURS["quiet"], linewidth=0.7)
        apart.legend(frameon=False, fontsize=8)
        apart.set_xlabel("step", size=8, color=_COLOURS["ink"])
        _frame(apart, f"{one.first} − {one.second}")
    return drawing


def _panels(count: int, rows: int, across: int = _ACROSS) -> tuple[Drawing, list[Axes]]:
    figure_class = require("matplotlib.figure", extra="train").Figure
    across = min(across, count)
    down = -(-count // across)
    size = (4.2 * across, (0.9 + 0.26 * rows) * down)
    drawing = figure_class(figsize=size, facecolor=_COLOURS["ground"], layout="constrained")
    return drawing, [drawing.add_subplot(down, across, i + 1) for i in range(count)]


def _label(axes: Axes, title: str, names: list[str]) -> None:
    _frame(axes, title)
    axes.set_yticks(range(len(names)), names, size=7, color=_COLOURS["ink"])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, size=9, loc="left", color=_COLOURS["ink"])
    axes.tick_params(labelsize=8, colors=_COLOURS["quiet"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_COLOURS["quiet"])
