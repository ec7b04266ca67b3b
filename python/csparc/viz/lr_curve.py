"""The loss at each learning rate of a trial, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csparc._extras import require
from csparc.viz.alignment import THEMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_rates(found: Any, *, theme: str = "light") -> Figure:
    """Draw what `csparc.Trainer.find_lr` found: the loss over the learning rate, and a suggestion.

    Parameters
    ----------
    found : csparc.trainer.lr_find.LearningRates
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; write it with `csparc.viz.save`.
    """
    figure_class = require("matplotlib.figure", extra="train").Figure
    colours = THEMES[theme]
    figure = figure_class(figsize=(6.4, 3.6), facecolor=colours["ground"], layout="constrained")
    axes = figure.add_subplot(facecolor=colours["ground"])
    axes.plot(found.lr, found.loss, color="#0072b2", alpha=0.35, linewidth=0.8, label="loss")
    axes.plot(found.lr, found.smoothed, color="#0072b2", linewidth=1.8, label="smoothed")
    if found.suggestion is not None:
        axes.axvline(
            found.suggestion, color="#d55e00", linestyle="--", linewidth=1.4,
            label=f"suggestion: {found.suggestion:g}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", size=9, color=colours["ink"])
    axes.set_title("loss while the learning rate rises", size=10, loc="left", color=colours["ink"])
    axes.tick_params(which="both", labelsize=8, colors=colours["quiet"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(colours["quiet"])
    axes.legend(fontsize=8, frameon=False, labelcolor=colours["ink"])
    return figure
