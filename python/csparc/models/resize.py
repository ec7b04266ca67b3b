"""Position embeddings for another grid of patches, or for captions of another length."""

from __future__ import annotations

import numpy as np


def resize_positions(
    positions: np.ndarray, grid: tuple[int, int], new_grid: tuple[int, int]
) -> np.ndarray:
    """Interpolate positions [P,C] from a grid of rows x columns to another, [P',C].

    Bilinear, with the centres of the corner patches of both grids at half a patch from the border
    (what others call align_corners=False); outside the outermost centres the border value holds. No
    low-pass filter is applied on shrinking: neighbouring positions are alike already. A linear ramp
    stays linear between the outermost centres, and an equal grid gives equal values.
    """
    rows, columns = grid
    if positions.ndim != 2 or len(positions) != rows * columns:
        raise ValueError(
            f"positions: expected [{rows * columns}, C] for a grid of {rows} x {columns}, found "
            f"{list(positions.shape)}"
        )
    down, across = (_weights(old, new) for old, new in zip(grid, new_grid, strict=True))
    table = positions.astype(np.float64).reshape(rows, columns, -1)
    resized = np.einsum("yr,xc,rcd->yxd", down, across, table, optimize=True)
    return resized.reshape(new_grid[0] * new_grid[1], -1).astype(positions.dtype)


def resize_sequence(positions: np.ndarray, length: int) -> np.ndarray:
    """Positions of captions [L,C] for other lengths [length,C]: cut off, so that every token keeps
    its own, or for more tokens interpolated linearly, as open_clip does."""
    if length <= len(positions):
        return positions[:length].copy()
    wide = positions.astype(np.float64)
    return (_weights(len(positions), length) @ wide).astype(positions.dtype)


def _weights(old: int, new: int) -> np.ndarray:
    """[new, old]: each row weighs the two nearest old centres."""
    centre = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.floor(centre).astype(np.int64)
    right = np.minimum(left + 1, old - 1)
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new), left), 1.0 - (centre - left))
    np.add.at(weights, (np.arange(new), right), centre - left)
    return weights
