"""Cost of losses over batch size, as the paper's figure 4 shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from csparc._extras import require
from csparc.viz.alignment import THEMES

MARKERS = "osD^v<>P"


def plot_cost(
    flop: Mapping[str, Mapping[int, float]],
    memory: Mapping[str, Mapping[int, float]],
    labels: Sequence[str] = ("TFLOP", "MB"),
    *,
    theme: str = "light",
):
    """Draw two panels over the batch size, a line a loss, all axes logarithmic.

    Parameters
    ----------
    flop, memory : dict of loss to dict of batch size to value
        In the units of ``labels``; values above 0. A loss may be in one of them alone.

    Returns
    -------
    A matplotlib Figure made without pyplot; write it with `csparc.viz.save`.
    """
    figure_class = require("matplotlib.figure", extra="train").Figure
    colours = THEMES[theme]
    figure = figure_class(figsize=(9, 3.8), facecolor=colours["ground"], layout="constrained")
    numbers = {loss: number for number, loss in enumerate({**flop, **memory})}
    for place, (values, label) in enumerate(zip((flop, memory), labels), 1):
        axes = figure.add_subplot(1, 2, place, facecolor=colours["ground"])
        for loss, points in values.items():
            number = numbers[loss]
            # Some losses cost nearly the same: lines and marks that show what lies below.
            axes.plot(list(points), list(points.values()), marker=MARKERS[number % len(MARKERS)],
                      color=f"C{number}", markersize=6, fillstyle="none", linewidth=1.4, label=loss,
                      linestyle="--" if number % 2 else "-")  # fmt: skip
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("batch size B", color=colours["ink"])
        axes.set_title(label, size=10, loc="left", color=colours["ink"])
        ticks = sorted({batch for points in values.values() for batch in points})
        axes.set_xticks(ticks, [f"{batch:,}" for batch in ticks])
        axes.xaxis.minorticks_off()
        axes.tick_params(which="both", labelsize=8, colors=colours["quiet"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(colours["quiet"])
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    dearest_first = sorted(flop, key=lambda loss: -flop[loss][max(flop[loss])])
    dearest_first += [loss for loss in memory if loss not in flop]
    figure.legend([lines[loss] for loss in dearest_first], dearest_first, fontsize=8, frameon=False,
                  labelcolor=colours["ink"], loc="outside right center")  # fmt: skip
    return figure
