"""Rows of features at length 1, in float64: what scores of pictures and captions are made from."""

from __future__ import annotations

import numpy as np


def unit_rows_float64(features, name: str) -> np.ndarray:
    """Rows at length 1 in float64; rows of zeros stay.

    Raises
    ------
    ValueError
        No matrix, an empty side, or a row that is not finite; ``name`` is named.
    """
    features = np.array(features, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"{name} must be a matrix [rows, width] with no empty side, got shape {features.shape}"
        )
    if not np.isfinite(features).all():
        row = int(np.argmin(np.isfinite(features).all(axis=1)))
        raise ValueError(f"{name} must be finite, row {row} is not")
    # Dividing by the largest entry first keeps the squares of very large or small rows in range.
    largest = np.abs(features).max(axis=1, keepdims=True)
    features /= np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    features /= np.where(norms > 0, norms, 1.0)
    return features
