"""Rows of features at length 1, in float64: what scores of pictures and captions are made from."""

from __future__ import annotations

import numpy as np

_CHECKED = 4096
"""Rows whose numbers are looked at together."""


def checked_rows(features, name: str) -> np.ndarray:
    """Features as a matrix of floats that are finite; no copy where they are one already.

    Raises
    ------
    ValueError
        No matrix, an empty side, or a row that is not finite; ``name`` is named.
    """
    features = np.asarray(features)
    if features.dtype.kind != "f":
        features = features.astype(np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"{name} must be a matrix [rows, width] with no empty side, got shape {features.shape}"
        )
    for first in range(0, len(features), _CHECKED):
        finite = np.isfinite(features[first : first + _CHECKED]).all(axis=1)
        if not finite.all():
            raise ValueError(f"{name} must be finite, row {first + int(np.argmin(finite))} is not")
    return features


def unit_rows_float64(features, name: str) -> np.ndarray:
    """Rows at length 1 in float64; rows of zeros stay. Raises as `checked_rows`."""
    return at_length_one(checked_rows(features, name))


def at_length_one(features: np.ndarray) -> np.ndarray:
    """The same of a matrix that is checked; a copy."""
    features = features.astype(np.float64)
    # Dividing by the largest entry first keeps the squares of very large or small rows in range.
    largest = np.abs(features).max(axis=1, keepdims=True)
    features /= np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    features /= np.where(norms > 0, norms, 1.0)
    return features
