"""The rows of a matrix with the largest inner products: exact, in blocks, ties by order."""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 20
"""Rows multiplied at a time: so many that the threads of BLAS seldom wait for one another."""
_RESCORED = 1 << 14


def nearest(vectors: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` rows of ``vectors`` nearest to ``query``, the best first; of equals the earlier.

    Parameters
    ----------
    vectors : float array [N, D]
        Of length at most about 1; may be memory-mapped.
    query : float array [D]
        Of length at most about 1.
    k : int
        At least 1; all rows where there are fewer.

    Returns
    -------
    rows : int64 [min(k, N)]
    scores : float64 [min(k, N)]

    Notes
    -----
    2 N D operations in the type of ``vectors``, and 4 N bytes of memory beside a block. BLAS may
    round the same row differently at another place or with other threads. What could be among the
    best within its error is therefore computed again in float64, each row by itself: equal rows
    have equal scores wherever they stand, and the answer does not depend on threads.
    """
    query = query.astype(vectors.dtype)
    scores = inner_products(vectors, query)
    return best(vectors, query, k, within(scores, k, slack(vectors)))


def inner_products(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Those of the rows [N, D] and a vector [D] of their type, [N]."""
    scores = np.empty(len(vectors), vectors.dtype)
    for first in range(0, len(vectors), BLOCK):
        block = slice(first, first + BLOCK)
        np.matmul(vectors[block], query, out=scores[block])
    return scores


def slack(vectors: np.ndarray) -> float:
    """Above the error of the difference of two inner products of unit vectors in their type."""
    return 2 * vectors.shape[1] * float(np.finfo(vectors.dtype).eps)


def within(scores: np.ndarray, k: int, error: float) -> np.ndarray:
    """The rows, in order, whose scores [N] reach the ``k``-th largest less an ``error``."""
    if k >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= least - error)


def best(
    vectors: np.ndarray, query: np.ndarray, k: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best of some ``rows``, which rise, by their inner products in float64."""
    wide = query.astype(np.float64)
    scores = np.empty(len(rows))
    for first in range(0, len(rows), _RESCORED):
        some = rows[first : first + _RESCORED]
        scores[first : first + len(some)] = (vectors[some].astype(np.float64) * wide).sum(axis=1)
    order = np.argsort(-scores, kind="stable")[:k]
    return rows[order], scores[order]
