"""The scene renderer once more, in floating point and pixel units, from the shapes' definitions."""

from __future__ import annotations

import numpy as np

BLACK = np.array([0, -1, -1, 0, 256, 0, 0], np.int32)
"""A plain black ground in even light, without noise: cs_scene_ground."""


def _box(u, v, half_width, half_height):
    return np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)


def _lines(u, v, turns, offset):
    """Signed distances beyond lines ``offset`` from the centre, normals ``turns`` from up."""
    angles = 2 * np.pi * np.array(turns)
    return np.stack([u * np.sin(a) - v * np.cos(a) for a in angles]) - offset


def _heart(u, v, r):
    half, w = r * 39 / 64, v - r / 8
    square = (np.abs(u) + np.abs(w)) / np.sqrt(2) - half
    lobe = np.hypot(np.abs(u) - half / np.sqrt(2), w + half / np.sqrt(2)) - half
    return np.minimum(square, lobe)


OUTLINES = {
    "circle": lambda u, v, r: np.hypot(u, v) - r,
    "square": lambda u, v, r: _box(u, v, 7 / 8 * r, 7 / 8 * r),
    "triangle": lambda u, v, r: _lines(u, v - r / 8, [1 / 6, 1 / 2, 5 / 6], 37 / 64 * r).max(0),
    "cross": lambda u, v, r: np.minimum(
        _box(u, v, 9 / 8 * r, 3 / 8 * r), _box(u, v, 3 / 8 * r, 9 / 8 * r)
    ),
    "star": lambda u, v, r: np.sort(_lines(u, v, np.arange(5) / 5, 3 / 8 * r), axis=0)[-2],
    "ring": lambda u, v, r: np.maximum(np.hypot(u, v) - r, 9 / 16 * r - np.hypot(u, v)),
    "heart": _heart,
    "bar": lambda u, v, r: _box(u, v, 19 / 16 * r, 3 / 8 * r),
    "diamond": lambda u, v, r: (1.5 * np.abs(u) + np.abs(v) - 7 / 6 * r) / np.sqrt(3.25),
    "hexagon": lambda u, v, r: _lines(u, v, np.arange(6) / 6, 57 / 64 * r).max(0),
    "crescent": lambda u, v, r: np.maximum(
        np.hypot(u, v) - r, 7 / 8 * r - np.hypot(u - 5 / 8 * r, v)
    ),
    "arrow": lambda u, v, r: np.minimum(
        _box(u + r / 2, v, 5 / 8 * r, 5 / 16 * r),
        np.maximum(-u, (u + np.abs(v)) / np.sqrt(2) - 13 / 16 * r),
    ),
}


def signed_distance(item, side: int) -> np.ndarray:
    """[side, side] pixels from the outline of a scene object, negative inside."""
    row, column = np.mgrid[:side, :side] + 0.5
    dx, dy = column - item.x * side, row - item.y * side
    cosine, sine = np.cos(item.angle), np.sin(item.angle)
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    return OUTLINES[item.shape](u, v, item.radius * side)
