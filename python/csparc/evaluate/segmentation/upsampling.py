"""From scores on a grid of patches to labels of pixels, in both orders."""

from __future__ import annotations

import numpy as np

from csparc.data.regions import VOID, Grid, Window

ORDERS = ("nearest", "bilinear")
"""``nearest``: the best class of each patch, whose pixels all have it (the paper, section 4.5).
``bilinear``: scores are interpolated, then the best class of each pixel is taken."""


def pixel_scores(scores: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """Scores float32 [K, rows, columns] of the equal parts of a window, interpolated at the pixels
    of a picture: [K, H, W].

    Between the centres of parts the interpolation is bilinear (align_corners=False), beyond the
    outermost ones the border's values hold.
    """
    top, left, height, width = window
    down = _between(top, height, scores.shape[1], size[0])
    across = _between(left, width, scores.shape[2], size[1])
    return np.matmul(np.matmul(down, scores), across.T)


def pixel_labels(labels: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """Labels [rows, columns] of the equal parts of a window at the pixels of a picture [H, W]."""
    top, left, height, width = window
    rows = _part(top, height, labels.shape[0], size[0])
    columns = _part(left, width, labels.shape[1], size[1])
    return labels[rows[:, None], columns]


def inside(window: Window, size: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: the pixels whose centres lie in the window."""
    top, left, height, width = window
    down, across = (np.arange(length) + 0.5 for length in size)
    rows = (down >= top) & (down < top + height)
    return rows[:, None] & ((across >= left) & (across < left + width))


def majority(truth: np.ndarray, window: Window, grid: Grid, background: bool) -> np.ndarray:
    """The label that most pixels of each patch have, [rows, columns]: what no labels of patches can
    do much better than.

    Pixels that are void, and without ``background`` those of it, have no say; a patch of none has
    0. Ties go to the lower label.
    """
    size = truth.shape
    rows = _part(window[0], window[2], grid[0], size[0])
    columns = _part(window[1], window[3], grid[1], size[1])
    patch = rows[:, None] * grid[1] + columns
    counted = inside(window, size) & (truth >= (0 if background else 1)) & (truth != VOID)
    labels = int(truth.max(initial=0)) + 1
    pairs = patch[counted] * labels + truth[counted]
    counts = np.bincount(pairs, minlength=grid[0] * grid[1] * labels)
    counts = counts.reshape(grid[0], grid[1], labels)
    return np.where(counts.sum(axis=2) > 0, counts.argmax(axis=2), 0)


def _part(start: float, length: float, parts: int, size: int) -> np.ndarray:
    """The part of a window that the centre of each pixel lies in, int [size]; of pixels outside the
    nearest one."""
    place = (np.arange(size) + 0.5 - start) * parts / length
    return np.clip(np.floor(place), 0, parts - 1).astype(np.int64)


def _between(start: float, length: float, parts: int, size: int) -> np.ndarray:
    """float32 [size, parts]: each pixel weighs the two parts whose centres it lies between."""
    place = np.clip((np.arange(size) + 0.5 - start) * parts / length - 0.5, 0, parts - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, parts - 1)
    share = place - low
    weights = np.zeros((size, parts), dtype=np.float32)
    pixels = np.arange(size)
    np.add.at(weights, (pixels, low), (1 - share).astype(np.float32))
    np.add.at(weights, (pixels, high), share.astype(np.float32))
    return weights
