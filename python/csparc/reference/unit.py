"""Unit vectors."""

from __future__ import annotations

import numpy as np

EPS_NORM = 1e-12
"""A vector no longer than this is dead: its unit vector is 0 and so is its gradient."""


def unit_vector(x):
    """x [..., D] -> (x/|x|, |x|), with 0 for a vector not longer than EPS_NORM."""
    scale = np.max(np.abs(x), axis=-1, keepdims=True, initial=0.0)
    scale = np.where(scale > 0, scale, 1.0)
    norm = scale * np.sqrt(np.sum((x / scale) ** 2, axis=-1, keepdims=True))
    dead = norm <= EPS_NORM
    return np.where(dead, 0.0, x / np.where(dead, 1.0, norm)), norm[..., 0]


def unit_vector_backward(dunit, unit, norm):
    """Gradient of x from that of its unit vector: the part along x is lost; 0 for a dead x."""
    dead = norm <= EPS_NORM
    along = np.sum(dunit * unit, axis=-1, keepdims=True)
    dx = (dunit - unit * along) / np.where(dead, 1.0, norm)[..., None]
    return np.where(dead[..., None], 0.0, dx)
