"""The legend of an alignment picture: a bar of the scale, and what amber line and dot mark."""

from __future__ import annotations

import numpy as np

from csparc._extras import require
from csparc.viz.overlay import AMBER, shade

WEIGHT = "weight"
BEST = "best match"
FOOT = 0.74
"""Inches it takes at the foot of a figure."""
_SCALES = {
    WEIGHT: ("0", "1", "weight, as a share of the heaviest patch’s"),
    BEST: ("least", "most", "similarity of the word to the patch, in this picture"),
}
_LINES = {
    WEIGHT: "line: a quarter of the weight; dot: the heaviest patch",
    BEST: "line and dot: the best match, by which the word counts",
}
_NUMBERS = {
    WEIGHT: ("over {n} of {P}", "the weights spread as widely as {n} equal ones"),
    BEST: ("0.42", "cosine of the word and its best match"),
}
_STRIPES = np.array([[222.0, 78, 62], [245, 190, 60], [74, 168, 96], [70, 128, 205]])
_BAR = (0.95, 0.13)
_INDENT = 1.85


def marks(kind: str) -> str:
    """What line and dot stand for, in a sentence."""
    return f"{_LINES[kind].capitalize()}."


def draw_legend(figure, margin: float, colours: dict, kind: str, patches: int) -> None:
    """Three lines at the foot of ``figure``, ``margin`` inches from its left edge.

    ``kind`` is `WEIGHT` or `BEST`; ``patches`` are in a grid.
    """
    rectangle = require("matplotlib.patches", extra="train").Rectangle
    width, height = figure.get_size_inches()

    def text(x: float, y: float, words: str, side: str = "left") -> None:
        figure.text(
            x / width, y / height, words, size=7, va="center", ha=side, color=colours["quiet"]
        )

    (bar_width, bar_height), (bar, line, number) = _BAR, (0.56, 0.35, 0.14)
    first, last, name = _SCALES[kind]
    left = margin + 0.36
    text(left - 0.05, bar, first, "right")
    text(left + bar_width + 0.05, bar, last)
    text(_INDENT, bar, name)
    axes = figure.add_axes(
        (left / width, (bar - bar_height / 2) / height, bar_width / width, bar_height / height)
    )
    level = np.broadcast_to(np.linspace(0, 1, 96), (len(_STRIPES), 96))
    stripes = np.broadcast_to(_STRIPES[:, None, :], (*level.shape, 3))
    axes.imshow(shade(stripes, level) / 255, aspect="auto", interpolation="nearest")
    axes.set_axis_off()
    axes.set_label("legend")
    right = left + bar_width
    mark = rectangle(
        ((right - bar_height) / width, (line - bar_height / 2) / height), bar_height / width,
        bar_height / height, fill=False, edgecolor=tuple(AMBER / 255), linewidth=1.6,
        transform=figure.transFigure,
    )  # fmt: skip
    figure.add_artist(mark)
    text(_INDENT, line, _LINES[kind])
    example = {"n": max(1, patches // 7), "P": patches}
    text(right, number, _NUMBERS[kind][0].format(**example), "right")
    text(_INDENT, number, _NUMBERS[kind][1].format(**example))
