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


def matching_cross_entropy(logits, groups=None):
    """CE(S) + CE(S^T) and its gradient R + C - 2I (row and column softmax).

    ``groups``: which pairs match, or take no part, besides those on the diagonal.
    """
    if groups is None:
        row_value, row_gradient = row_cross_entropy(logits)
        column_value, column_gradient = row_cross_entropy(logits.T)
    else:
        everyone = np.ones(len(logits), bool)
        row_value, row_gradient = live_cross_entropy(logits, everyone, everyone, groups)
        column_value, column_gradient = live_cross_entropy(logits.T, everyone, everyone, groups)
    return row_value + column_value, row_gradient + column_gradient.T


def live_cross_entropy(logits, rows, columns, groups=None):
    """CE over S [n, n] of the marked rows and columns (boolean [n]), and its gradient [n, n].

    A row that is not marked has no loss; a column that is not marked is no candidate. Every marked
    row's own column must be marked. ``groups`` as in :mod:`csparc.reference.groups`.
    """
    dlogits = np.zeros_like(logits)
    value = 0.0
    for i in np.flatnonzero(rows):
        matching = np.arange(len(logits)) == i
        candidates = columns.copy()
        if groups is not None and groups.positive:
            matching = groups.same[i] & columns
        elif groups is not None:
            candidates &= ~groups.same[i] | matching
        row, target = logits[i, candidates], (matching / matching.sum())[candidates]
        exponent = np.exp(row - row.max())
        value += np.log(exponent.sum()) + row.max() - target @ row
        difference = exponent / exponent.sum() - target
        if matching.sum() == 1:  # what is left of 1 keeps its digits as minus the sum of the rest
            own = target == 1
            difference[own] = -difference[~own].sum()
        dlogits[i, candidates] = difference
    return value, dlogits
