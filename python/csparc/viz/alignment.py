"""The alignment picture: for every word of a caption, the patches it selected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike

import numpy as np

from csparc._extras import require
from csparc.viz.overlay import enlarge, light_patches

THEMES = {
    "light": {"ground": "#ffffff", "ink": "#1b1f27", "quiet": "#5c6470"},
    "dark": {"ground": "#14171d", "ink": "#eceff4", "quiet": "#a3adba"},
}
_CELL_INCHES = 1.45
_WORD_INCHES = 0.3
_PIXELS = 240


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
):
    """One panel a word: the picture, dimmed, with the patches the word selected left in colour.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        The picture as the model sees it.
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
        Panels in a row, the whole picture included; default up to 6.
    theme : {"light", "dark"}
        Colours of the ground and the text.
    title, notes : str, sequence of str
        Whose weights these are, and what to know of them (`csparc.losses.alignment.Alignment`).
    chosen_by : array [T, P], optional
        Where weights mark each word's best match: what it is the best by.

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
    panels = [("the picture", enlarge(image, _PIXELS))] + [
        (word, light_patches(image, row, grid, size=_PIXELS))
        for word, row in zip(words, weights, strict=True)
    ]
    return _figure(panels, columns, theme, " ".join(words) if caption is None else caption)


def save(figure, path: str | PathLike) -> None:
    """Write a figure to ``path``; the ending (.png, .svg, .pdf, ...) chooses the format."""
    figure.savefig(path, dpi=160, facecolor=figure.get_facecolor())


def _square(patches: int) -> tuple[int, int]:
    side = math.isqrt(patches)
    if side * side != patches:
        raise ValueError(f"{patches} patches make no square: give grid=(rows, columns)")
    return side, side


def _figure(panels: list, columns: int | None, theme: str, caption: str):
    """Lay the panels out in rows, the caption above, one line of legend below."""
    figure_class = require("matplotlib.figure", extra="train").Figure
    colours = THEMES[theme]
    columns = columns or _columns(len(panels))
    rows = -(-len(panels) // columns)
    aspect = panels[0][1].shape[0] / panels[0][1].shape[1]
    width = max(columns * _CELL_INCHES, 3.4)
    panel_inches = 0.9 * width / columns * aspect
    row_inches = panel_inches + _WORD_INCHES
    lines = _wrapped(caption, max(30, int(width * 9)))
    head, foot = 0.12 + 0.2 * len(lines), 0.42
    height = head + rows * row_inches + foot
    figure = figure_class(figsize=(width, height), facecolor=colours["ground"])
    figure.text(
        0.05 / columns,
        1 - 0.1 / height,
        "\n".join(lines),
        va="top",
        ha="left",
        size=10.5,
        weight="bold",
        color=colours["ink"],
        linespacing=1.35,
        parse_math=False,
    )
    for place, (word, picture) in enumerate(panels):
        row, column = divmod(place, columns)
        bottom = height - head - (row + 1) * row_inches
        axes = figure.add_axes(
            ((column + 0.05) / columns, bottom / height, 0.9 / columns, panel_inches / height)
        )
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        style = (
            {"color": colours["quiet"], "style": "italic"}
            if place == 0
            else {"color": colours["ink"]}
        )
        axes.set_title(_shortened(word), size=9.5, pad=3, loc="left", parse_math=False, **style)
    figure.text(
        0.05 / columns,
        0.09 / height,
        "\n".join(
            _wrapped(
                "colour: weight squared, relative to the word's heaviest; "
                "amber: the heaviest tenth",
                max(30, int(width * 13)),
            )
        ),
        va="bottom",
        ha="left",
        size=7,
        color=colours["quiet"],
    )
    return figure


def _columns(count: int) -> int:
    """At most six in a row, and rows as even as they come."""
    rows = -(-count // 6)
    return -(-count // rows)


def _shortened(word: str, limit: int = 16) -> str:
    return word if len(word) <= limit else word[: limit - 1] + "…"


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, max_lines=4, placeholder=" …") or [""]
