"""Masks of regions as annotation files write them: polygons and run lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def filled(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres lie in one of several polygons: bool [H, W].

    Parameters
    ----------
    polygons : sequence of sequences
        x, y, x, y, ... of the corners of each, in pixels from the left and the top edge; inside is
        what an odd number of sides lies left of.
    size : (int, int)
        Height and width.
    """
    height, width = size
    mask = np.zeros(size, dtype=bool)
    for polygon in polygons:
        x, y = np.asarray(polygon, dtype=np.float64).reshape(-1, 2).T
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        turns = np.zeros((height, width + 1), dtype=np.int64)
        centres = np.arange(height) + 0.5
        rows, sides = np.nonzero((y <= centres[:, None]) != (next_y <= centres[:, None]))
        share = (centres[rows] - y[sides]) / (next_y[sides] - y[sides])
        crossed = x[sides] + share * (next_x[sides] - x[sides])
        columns = np.clip(np.ceil(crossed - 0.5), 0, width).astype(np.int64)
        np.add.at(turns, (rows, columns), 1)
        mask |= turns.cumsum(axis=1)[:, :width] % 2 == 1
    return mask


def outlines(mask: np.ndarray) -> list[list[int]] | None:
    """Polygons along the edges of pixels that `filled` turns into ``mask``; None where it has a
    hole, which polygons that are put together cannot leave out."""
    padded = np.pad(mask, 1)
    # Sides of pixels with the mask on the right hand: outer loops run clockwise, holes the other
    # way.
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (down, across), (dy, dx) in {
        (-1, 0): (0, 1), (0, 1): (1, 0), (1, 0): (0, -1), (0, -1): (-1, 0),
    }.items():  # fmt: skip
        beside = np.roll(padded, (-down, -across), (0, 1))
        for row, column in np.argwhere(padded & ~beside) - 1:
            top, left = row + (dy < 0 or down > 0), column + (dx < 0 or across > 0)
            steps.setdefault((int(left), int(top)), []).append((dx, dy))
    loops = []
    while steps:
        loop, at, heading = [], next(iter(steps)), None
        start = at
        while at in steps:
            ahead = steps[at]
            # Where two loops touch at a corner, turn right: the loops stay apart.
            right = None if heading is None else (-heading[1], heading[0])
            before, heading = heading, ahead.pop(ahead.index(right) if right in ahead else 0)
            if not ahead:
                del steps[at]
            if heading != before:
                loop.append(at)
            at = (at[0] + heading[0], at[1] + heading[1])
            if at == start:
                break
        x, y = np.array(loop).T
        if (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() < 0:
            return None
        loops.append([int(value) for corner in loop for value in corner])
    return loops


def run_lengths(mask: np.ndarray) -> list[int]:
    """Pixels outside and inside in turn, down the columns, outside first: COCO's counts."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff([0, *changes, mask.size]).tolist()


def from_run_lengths(counts: Sequence[int] | str, size: tuple[int, int]) -> np.ndarray:
    """bool [H, W] of COCO's counts, as numbers or in its compressed text.

    Raises
    ------
    ValueError
        They are no counts, or do not add up to the size.
    """
    listed = _unpacked(counts) if isinstance(counts, str) else counts
    try:
        lengths = np.asarray(listed, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("run lengths: expected whole numbers") from error
    pixels = size[0] * size[1]
    if lengths.ndim != 1 or ((lengths < 0) | (lengths > pixels)).any() or lengths.sum() != pixels:
        raise ValueError(
            f"run lengths: expected counts that add up to {size[0]} x {size[1]} pixels, found "
            f"{len(lengths)} with the sum {lengths.sum()}"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(size, order="F")


def _unpacked(text: str) -> list[int]:
    """The counts of COCO's compressed text.

    Five bits a letter, the lowest first; a sixth says that more follow, and the highest of the last
    five is the sign. From the fourth number on they are differences to the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - ord("0")
        if not 0 <= code < 64 or shift > 30:
            raise ValueError(f"run lengths: expected COCO's letters for counts, found {letter!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths: expected COCO's letters for counts, found them cut")
    return counts
