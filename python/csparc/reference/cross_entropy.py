"""Cross-entropy of matching pairs."""

from __future__ import annotations

import numpy as np


def row_cross_entropy(logits):
    """Sum over rows i of lse_j S_ij - S_ii, and its gradient softmax_j(S_i.) - I, for S [n, n].

    The diagonal of the gradient is minus the sum of the rest of the row, which keeps its digits
    when the row is confident and softmax - 1 would cancel.
    """
    top = np.max(logits, axis=1, keepdims=True, initial=-np.inf)
    exponent = np.exp(logits - top)
    total = exponent.sum(axis=1, keepdims=True)
    value = np.sum(np.log(total) + top) - np.trace(logits)
    dlogits = exponent / total
    np.fill_diagonal(dlogits, 0.0)
    np.fill_diagonal(dlogits, -dlogits.sum(axis=1))
    return value, dlogits


def matching_cross_entropy(logits):
    """CE(S) + CE(S^T) and its gradient R + C - 2I (row and column softmax)."""
    row_value, row_gradient = row_cross_entropy(logits)
    column_value, column_gradient = row_cross_entropy(logits.T)
    return row_value + column_value, row_gradient + column_gradient.T


def live_cross_entropy(logits, rows, columns):
    """CE over S [n, n] of the marked rows and columns (boolean [n]), and its gradient [n, n].

    A row that is not marked has no loss; a column that is not marked is no candidate. Every marked
    row's own column must be marked.
    """
    dlogits = np.zeros_like(logits)
    value = 0.0
    candidates = np.flatnonzero(columns)
    for i in np.flatnonzero(rows):
        row = logits[i, candidates]
        own = np.searchsorted(candidates, i)
        exponent = np.exp(row - row.max())
        value += np.log(exponent.sum()) + row.max() - row[own]
        share = exponent / exponent.sum()
        share[own] = 0.0
        share[own] = -share.sum()
        dlogits[i, candidates] = share
    return value, dlogits
