"""The alignment picture: for every word of a caption, the patches it selected."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from csparc._extras import require
from csparc.viz.layout import Layout, lay_out
from csparc.viz.legend import BEST, FOOT, WEIGHT, draw_legend
from csparc.viz.overlay import enlarge, light_patches
from csparc.viz.wording import below_panel, in_order

if TYPE_CHECKING:
    from csparc.data.transforms import Preprocess

THEMES = {
    "light": {"ground": "#ffffff", "ink": "#1b1f27", "quiet": "#5c6470"},
    "dark": {"ground": "#14171d", "ink": "#eceff4", "quiet": "#a3adba"},
}
DPI = 200
_HEAD, _LINE, _BETWEEN = 0.2, 1.35, 0.05
"""Inches around the heading, its line spacing, inches between its parts."""
PICTURE = "picture"
LIMIT = "A selected patch need not show what is named: see csparc eval grounding."


def plot_alignment(
    image,
    words: Sequence[str],
    weights,
    grid: tuple[int, int] | None = None,
    *,
    caption: str | None = None,
    columns: int | None = None,
    theme: str = "light",
    title: str = "",
    notes: Sequence[str] = (),
    chosen_by=None,
    below: str = "",
    content_first: bool = False,
):
    """One panel a word: the picture, dimmed, with the patches the word selected left in colour.

    A line runs around the fewest patches that hold a quarter of the weight, a dot marks the
    heaviest. Below each panel: over how many patches the word's weights spread, the exponential of
    their entropy; with ``chosen_by``, the value of the best match.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        The picture, cropped as the model sees it.
    words : sequence of str
        T words or word pieces, as `Tokenizer.decode_tokens` gives them.
    weights : array [T, P]
        Alignment weights (`csparc.sparc_loss(..., return_weights=True).weights` of one pair).
        Each word is drawn relative to its own heaviest patch, so panels compare places, not sums.
    grid : (rows, columns), optional
        Patches down and across; default a square one.
    caption : str, optional
        Written above the panels; default the words, joined.
    columns : int, optional
        Panels in a row, the whole picture included; default as many as read well.
    theme : {"light", "dark"}
        Colours of the ground and the text.
    title, notes : str, sequence of str
        Whose weights these are, and what to know of them (`csparc.losses.explains.Alignment`).
    chosen_by : array [T, P], optional
        Where weights mark each word's best match: what it is the best by, such as a cosine.
    below : str, optional
        Written below the whole picture.
    content_first : bool
        Draw words such as "a" and "of" (English ones are known) after the others.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot: nothing global changes and no window opens. Write it with `save`.

    Raises
    ------
    ValueError
        Shapes that do not fit, an unknown theme.
    ImportError
        matplotlib or Pillow missing: both come with ``csparc[train]``.
    """
    weights = np.asarray(weights)
    if weights.ndim != 2 or len(weights) != len(words):
        raise ValueError(
            f"weights must be [words, patches] with {len(words)} words, got shape {weights.shape}"
        )
    if theme not in THEMES:
        raise ValueError(f"theme must be one of {', '.join(THEMES)}, got {theme!r}")
    grid = grid or _square(weights.shape[1])
    values = [None] * len(words) if chosen_by is None else np.asarray(chosen_by)
    heading = " ".join(words) if caption is None else caption
    layout = lay_out(len(words) + 1, np.shape(image)[0] / np.shape(image)[1], columns)
    pixels = round(DPI * layout.panel_height)
    panels = [(PICTURE, enlarge(image, pixels), below)] + [
        (word, light_patches(image, row, grid, pixels, value), below_panel(row, value))
        for word, row, value in (
            (words[n], weights[n], values[n]) for n in in_order(words, content_first)
        )
    ]
    figure, top = _figure(layout, THEMES[theme], (heading, title, " ".join(notes)), bool(words))
    for number, panel in enumerate(panels):
        _draw_panel(figure, layout, top, number, panel, THEMES[theme])
    if len(words):
        kind = WEIGHT if chosen_by is None else BEST
        draw_legend(figure, layout.margin, THEMES[theme], kind, weights.shape[1])
    return figure


def sharp_view(preprocess: Preprocess, picture) -> np.ndarray:
    """The part of a picture that the model sees, uint8 [H, W, 3], at up to 512 pixels of height.

    Cropped as ``preprocess.fixed`` does, but not reduced to the few pixels an encoder takes.
    """
    (height, width, _), given = preprocess.fixed(picture).shape, np.shape(picture)
    fits = max if preprocess.resize_mode == "longest" else min
    times = int(max(1, min(fits(given[0] / height, given[1] / width), 512 / height)))
    settings = preprocess.config() | {"size": [times * height, times * width], "train": False}
    return type(preprocess)(**settings).fixed(picture)


def save(figure, path: str | PathLike, dpi: int = DPI) -> None:
    """Write a figure to ``path``; the ending (.png, .svg, .pdf, ...) chooses the format, ``dpi``
    the pixels of an inch."""
    figure.savefig(path, dpi=dpi, facecolor=figure.get_facecolor())


def _square(patches: int) -> tuple[int, int]:
    side = math.isqrt(patches)
    if side * side != patches:
        raise ValueError(f"{patches} patches make no square: give grid=(rows, columns)")
    return side, side


def _figure(layout: Layout, colours: dict, texts: tuple[str, str, str], legend: bool):
    """A figure with its heading, and the height in inches at which the first row begins."""
    figure_class = require("matplotlib.figure", extra="train").Figure
    (caption, title, notes), width = texts, layout.width
    limit = LIMIT if title and legend else ""
    blocks = [
        (lines, size, style)
        for text, size, style in (
            (caption, 10.5, {"weight": "bold", "color": colours["ink"]}),
            (title, 9, {"color": colours["ink"]}),
            (notes, 8, {"color": colours["ink"]}),
            (limit, 7.5, {"color": colours["quiet"]}),
        )
        if (lines := _wrapped(text, int(width * 98 / size))) or text is caption
    ]
    inches = [len(lines) * size * _LINE / 72 + _BETWEEN for lines, size, _ in blocks]
    rows = layout.rows * layout.row_height
    height = _HEAD + sum(inches) + rows + (FOOT if legend else 0)
    figure = figure_class(figsize=(width, height), facecolor=colours["ground"])
    at = height - _HEAD / 2
    for (lines, size, style), taken in zip(blocks, inches):
        figure.text(
            layout.margin / width, at / height, "\n".join(lines), va="top", ha="left", size=size,
            linespacing=_LINE, parse_math=False, **style,
        )  # fmt: skip
        at -= taken
    return figure, at - _HEAD / 2


def _draw_panel(figure, layout: Layout, top: float, number: int, panel: tuple, colours: dict):
    """A picture, what it shows above, what there is to say below."""
    word, picture, below = panel
    width, height = figure.get_size_inches()
    x, y = layout.place(number)
    wide, high = layout.panel_width, layout.panel_height
    axes = figure.add_axes((x / width, (top - y - high) / height, wide / width, high / height))
    axes.imshow(picture, interpolation="antialiased")
    axes.set_axis_off()
    style = {"color": colours["ink"]}
    if number == 0:
        style = {"color": colours["quiet"], "style": "italic"}
    limit = int(wide * 12)
    axes.set_title(
        word if len(word) <= limit else word[: limit - 1] + "…", size=9.5, pad=3, loc="left",
        parse_math=False, **style,
    )  # fmt: skip
    axes.text(
        0, -0.04 / high, below, transform=axes.transAxes, va="top", size=6.5,
        color=colours["quiet"],
    )  # fmt: skip


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(30, width), max_lines=4, placeholder=" …")
