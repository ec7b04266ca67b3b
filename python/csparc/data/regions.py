"""What a data set may know beside captions: where in a picture things lie, and what is called so.

Coordinates are pixels of the picture as `csparc.data.Dataset.load` gives it, 0 at the left and the
top edge: the pixel in column 3 reaches from 3 to 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line

VOID = -1
"""In a map of labels: a pixel that no score counts. 0 is the background, 1 the first class."""

Window = tuple[float, float, float, float]
"""Top, left, height and width of the part of a picture that a model is shown, in its pixels; what
reaches beyond the picture is border."""
Grid = tuple[int, int]
"""Rows and columns of patches."""


@dataclass(frozen=True)
class Region:
    """One thing in a picture.

    Attributes
    ----------
    name : str
        What it is: a class, a shape.
    box : (float, float, float, float)
        Left, top, right, bottom.
    mask : bool [H, W], optional
        Its pixels; without them it is all of its box.
    attributes : tuple of (str, str)
        (colour, red) and the like.
    crowd : bool
        A group that nobody took apart.
    """

    name: str
    box: tuple[float, float, float, float]
    mask: np.ndarray | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    crowd: bool = False

    __repr__ = fields_line


@dataclass(frozen=True)
class Mention:
    """Characters ``start`` to ``stop`` of caption number ``caption`` speak of these ``regions``.

    ``groups``: the kinds of words it is counted among, such as NOUN; of none where it names
    regions and is not measured.
    """

    caption: int
    start: int
    stop: int
    groups: tuple[str, ...]
    regions: tuple[int, ...]

    __repr__ = fields_line


@dataclass(frozen=True)
class Regions:
    """The known things of one picture, and what its captions say of them.

    Attributes
    ----------
    size : (int, int)
        Height and width of the picture.
    parts : tuple of Region
    mentions : tuple of Mention
        In the order of the captions; those of a caption in the order of its text.
    exclusive : bool
        A patch shows one region: the one that covers most of it. Otherwise it shows every region
        that covers enough of it, as boxes that overlap need.
    absent : tuple of str, optional
        Classes that were looked for and are not there; None where the data set does not list them.
    unfinished : tuple of str
        Classes of which there are more things than have a part.
    """

    size: tuple[int, int]
    parts: tuple[Region, ...]
    mentions: tuple[Mention, ...] = ()
    exclusive: bool = False
    absent: tuple[str, ...] | None = None
    unfinished: tuple[str, ...] = ()

    __repr__ = fields_line

    def cover(self, window: Window, grid: Grid) -> np.ndarray:
        """The share of each patch that each region covers, float64 [K, rows * columns]."""
        top, left, height, width = window
        rows = shares(top, height, grid[0], self.size[0])
        columns = shares(left, width, grid[1], self.size[1])
        found = np.zeros((len(self.parts), grid[0] * grid[1]))
        for number, part in enumerate(self.parts):
            if part.mask is None:
                down = _along(top, height, grid[0], part.box[1], part.box[3])
                across = _along(left, width, grid[1], part.box[0], part.box[2])
                found[number] = np.outer(down, across).ravel()
            else:
                found[number] = (rows @ part.mask.astype(np.float64) @ columns.T).ravel()
        return found

    def shown(self, window: Window, grid: Grid, least: float = 0.25) -> np.ndarray:
        """Which patches show each region, bool [K, P]: those it covers by ``least`` or more."""
        cover = self.cover(window, grid)
        enough = cover >= least
        if not self.exclusive or not len(cover):
            return enough
        return enough & (np.arange(len(cover))[:, None] == cover.argmax(axis=0))


def shares(start: float, length: float, cells: int, size: int) -> np.ndarray:
    """How much of each cell each pixel is, float64 [cells, size].

    The cells are equal parts of ``start`` to ``start + length`` along an axis of ``size`` pixels;
    a row sums to 1, less what lies beyond the picture.
    """
    edges = start + length * np.arange(cells + 1) / cells
    pixels = np.arange(size)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return np.clip(high - low, 0, None) * (cells / length)


def _along(start: float, length: float, cells: int, first: float, last: float) -> np.ndarray:
    """The share of each cell [cells] between two places of an axis."""
    edges = start + length * np.arange(cells + 1) / cells
    inside = np.minimum(edges[1:], last) - np.maximum(edges[:-1], first)
    return np.clip(inside, 0, None) * (cells / length)


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The tight box of a mask [H, W]; of an empty one all zeros."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    return (
        float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    )  # fmt: skip


def painted(size: tuple[int, int], parts: Sequence[Region], classes: Sequence[str]) -> np.ndarray:
    """A map of labels int16 [H, W] from regions with masks: each pixel has the class of the last
    region there, counted from 1 in ``classes``; crowds are void, and so are other names."""
    number = {name: place for place, name in enumerate(classes, 1)}
    labels = np.zeros(size, np.int16)
    for part in parts:
        inside = part.mask if part.mask is not None else _filled(size, part.box)
        labels[inside] = VOID if part.crowd else number.get(part.name, VOID)
    return labels


def _filled(size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """The pixels [H, W] whose centres lie in a box."""
    down, across = (np.arange(count) + 0.5 for count in size)
    rows = (down >= box[1]) & (down < box[3])
    return rows[:, None] & ((across >= box[0]) & (across < box[2]))
