"""What the words of a caption select by two models or more, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from csparc._extras import require
from csparc._repr import fields_line
from csparc.viz.alignment import THEMES
from csparc.viz.overlay import AMBER, FOUND, MISSED, WHITE, enlarge, glow, glow_patches

LINES = {True: FOUND, False: MISSED, None: WHITE}
"""The colour of the line around the heaviest patch, by whether it lies on the word's object."""
MARKS = {True: " ✓", False: " ✗", None: ""}
MOST_WORDS = 7
DPI = 140
"""What the panels are drawn for."""
_PANEL, _GAP, _MARGIN, _SIDE = 0.82, 0.07, 0.14, 1.12
_WORD, _CAPTION, _BETWEEN, _FOOT = 0.19, 0.25, 0.16, 0.58


@dataclass(frozen=True)
class ComparedWord:
    """A word of a caption and what it selects: ``levels`` holds, of every model in order, how
    much [P] of each patch, at least 0. ``content``: it is among the words shown first.
    ``inside`` [P] (bool): the patches of the object it names, where that is known.
    """

    text: str
    levels: Sequence[np.ndarray]
    content: bool = True
    inside: np.ndarray | None = None

    __repr__ = fields_line

    def found(self, model: int) -> bool | None:
        """Whether the heaviest patch lies on the object; None where nobody knows."""
        if self.inside is None:
            return None
        return bool(self.inside[int(np.argmax(self.levels[model]))])


@dataclass(frozen=True)
class ComparedPicture:
    """A picture [H, W, 3] (uint8), one of its captions, and its words, whose patches lie on
    ``grid``."""

    image: np.ndarray
    caption: str
    words: Sequence[ComparedWord]
    grid: tuple[int, int]

    __repr__ = fields_line

    def shown_first(self) -> list[ComparedWord]:
        """The words of content; all words where none is."""
        return [word for word in self.words if word.content] or list(self.words)

    def shown_later(self) -> list[ComparedWord]:
        """The other words."""
        first = self.shown_first()
        return [word for word in self.words if not any(word is one for one in first)]


def plot_comparison(
    pictures: Sequence[ComparedPicture], models: Sequence[tuple[str, str]], *, theme: str = "light"
):
    """A block a picture: a column a word, a row a model, amber by the weight of each patch.

    Parameters
    ----------
    pictures : sequence of ComparedPicture
        Of each the first seven words that are shown first.
    models : sequence of (name, note)
        What stands beside the rows, such as ``("SPARC", "the paper’s")``.
    theme : {"light", "dark"}
        Colours of the ground and the text.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot. Write it with ``csparc.viz.save(figure, path, dpi=DPI)``.

    Raises
    ------
    ImportError
        matplotlib or Pillow missing: both come with ``csparc[train]``.
    """
    colours = THEMES[theme]
    rows = len(models)
    whole = rows * _PANEL + (rows - 1) * _GAP
    block = _CAPTION + _WORD + whole + _BETWEEN
    columns = max(min(len(one.shown_first()), MOST_WORDS) for one in pictures)
    left = _MARGIN + whole + _SIDE
    width = left + columns * (_PANEL + _GAP) - _GAP + _MARGIN
    height = _MARGIN + len(pictures) * block + _FOOT
    figure_class = require("matplotlib.figure", extra="train").Figure
    figure = figure_class(figsize=(width, height), dpi=DPI, facecolor=colours["ground"])
    pen = _Pen(figure, width, height, colours)
    for number, one in enumerate(pictures):
        top = _MARGIN + number * block
        pen.text(_MARGIN, top, f"“{one.caption}”", 10.5, "ink", weight="bold")
        top += _CAPTION + _WORD
        pen.picture(enlarge(one.image, round(whole * DPI)), _MARGIN, top, whole)
        for row, (name, note) in enumerate(models):
            at = top + row * (_PANEL + _GAP)
            pen.text(left - 0.1, at + 0.24, name, 9.5, "ink", ha="right", weight="bold")
            lines = note.replace(", ", ",\n")
            pen.text(left - 0.1, at + 0.42, lines, 8, "quiet", ha="right")
        for column, word in enumerate(one.shown_first()[:MOST_WORDS]):
            x = left + column * (_PANEL + _GAP)
            pen.text(x, top - _WORD, word.text[:12], 9, "ink")
            for row in range(rows):
                panel = glow_patches(
                    one.image, word.levels[row], one.grid, round(_PANEL * DPI),
                    LINES[word.found(row)],
                )  # fmt: skip
                pen.picture(panel, x, top + row * (_PANEL + _GAP), _PANEL)
    known = any(word.inside is not None for one in pictures for word in one.words)
    _legend(pen, height - _FOOT, known)
    return figure


def _legend(pen: _Pen, top: float, known: bool) -> None:
    level = np.broadcast_to(np.linspace(0, 1, 96), (12, 96))
    pen.picture(glow(np.full((12, 96, 3), 60.0), level) / 255, _MARGIN, top + 0.1, 0.12, 0.8)
    x = _MARGIN + 0.9
    pen.text(
        x,
        top + 0.08,
        "weight of a patch, from none to the heaviest’s, by its square root",
        8,
        "quiet",
    )
    x, top = _MARGIN, top + 0.2
    items = ((True, "heaviest patch: on the word’s object"), (False, "not on it"))
    for found, words in items if known else ((None, "heaviest patch"),):
        colour = LINES[found]
        tile = np.broadcast_to(colour, (20, 20, 3)).copy()
        tile[4:16, 4:16] = 0.6 * AMBER
        pen.picture(tile / 255, x, top + 0.09, 0.14)
        pen.text(x + 0.2, top + 0.08, words, 8, "quiet")
        x += 2.6


class _Pen:
    """Draws on a figure in inches from its upper left corner."""

    def __init__(self, figure, width: float, height: float, colours: dict) -> None:
        self.figure, self.width, self.height, self.colours = figure, width, height, colours

    def text(self, x: float, y: float, words: str, size: float, colour: str, **style) -> None:
        self.figure.text(
            x / self.width, 1 - y / self.height, words, size=size, va="top",
            color=self.colours[colour], parse_math=False, **style,
        )  # fmt: skip

    def picture(
        self, image: np.ndarray, x: float, y: float, high: float, wide: float | None = None
    ) -> None:
        wide = high if wide is None else wide
        axes = self.figure.add_axes(
            (x / self.width, 1 - (y + high) / self.height, wide / self.width, high / self.height)
        )
        axes.imshow(image, interpolation="antialiased", aspect="auto")
        axes.set_axis_off()
