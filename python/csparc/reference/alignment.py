"""Alignment weights (equations 2 to 5) and the operations around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.reference.unit import unit_vector, unit_vector_backward

EPS_RANGE = 1e-6
"""A similarity row whose range is at most this part of its largest magnitude is degenerate."""


@dataclass
class Alignment:
    """Weights of one sample and what their backward needs, all [L, P] or [L]."""

    weights: np.ndarray
    keep: np.ndarray
    live: np.ndarray
    """[L]: rows whose weights depend on the similarities (not degenerate)."""
    normalizer_sum: np.ndarray
    """[L]: Z' = sum_p keep (s - min)."""
    lowest: np.ndarray
    """[L]: the first patch that attains the row's minimum."""
    margin: float

    __repr__ = fields_line


def align(s, normalizer, sigma, degenerate, keep=None):
    """Equations 2 to 4 for s [L, P], P >= 1: min-max, threshold at sigma, rows that sum to 1."""
    tokens, patches = s.shape
    everything = np.ones((tokens, patches), bool)
    if normalizer == "softmax":
        weights = np.exp(s - s.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        ones = np.ones(tokens)
        return Alignment(weights, everything, ones > 0, ones, np.zeros(tokens, int), np.inf)

    lowest = s.argmin(axis=1)
    low, high = s.min(axis=1), s.max(axis=1)
    span = high - low
    live = span > EPS_RANGE * np.maximum(np.abs(low), np.abs(high))
    rise = s - low[:, None]
    if normalizer == "minmax":
        keep = everything
    elif keep is None:
        keep = rise >= sigma * span[:, None]  # the product form; equality is kept
    divisor = np.where(live, np.sum(keep * rise, axis=1), 1.0)
    weights = keep * rise / divisor[:, None]
    weights[~live] = 1 / patches if degenerate == "uniform" else 0.0
    keep = np.where(live[:, None], keep, degenerate == "uniform")

    relative = rise[live] / span[live][:, None]
    choices = [np.inf]
    if normalizer == "minmax_sparse":
        choices.append(np.min(np.abs(relative - sigma), initial=np.inf))
    if patches > 1:
        choices.append(np.min(np.sort(relative, axis=1)[:, 1], initial=np.inf))
    return Alignment(weights, keep, live, divisor, lowest, float(min(choices)))


def align_backward(dweights, alignment, normalizer):
    """ds [L, P] from dL/dweights.

    Each row is first freed of its weighted mean (rows sum to 1). The maximum needs no term: what
    equation 2 sends to it sums to zero. The minimum receives minus the sum of its row; the
    threshold decision itself has no derivative.
    """
    weights = alignment.weights
    centred = dweights - np.sum(weights * dweights, axis=1, keepdims=True)
    if normalizer == "softmax":
        return weights * centred
    ds = alignment.keep * centred / alignment.normalizer_sum[:, None]
    ds[~alignment.live] = 0.0
    ds[np.arange(len(ds)), alignment.lowest] -= ds.sum(axis=1)
    return ds


def similarity_matrix(patches, tokens, kind, scale):
    """s [L, P] = scale t_j . v_p, of raw vectors ("dot") or of unit vectors ("cosine")."""
    if kind == "dot":
        return scale * tokens @ patches.T
    return scale * unit_vector(tokens)[0] @ unit_vector(patches)[0].T


def similarity_matrix_backward(ds, patches, tokens, kind, scale):
    """(dV [P, D], dT [L, D]) from ds [L, P]."""
    ds = scale * ds
    if kind == "dot":
        return ds.T @ tokens, ds @ patches
    patch_unit, patch_norm = unit_vector(patches)
    token_unit, token_norm = unit_vector(tokens)
    return (
        unit_vector_backward(ds.T @ token_unit, patch_unit, patch_norm),
        unit_vector_backward(ds @ patch_unit, token_unit, token_norm),
    )


def sparse_similarity(
    patches, tokens, *, text_mask=None, patch_mask=None, normalizer="minmax_sparse",
    similarity="dot", sigma=None, softmax_scale=1.0, degenerate="uniform", dweights=None,
):  # fmt: skip
    """Alignment weights [B, L, P] and, for ``dweights`` [B, L, P], the gradients they send back."""
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    weights = np.zeros((B, L, P))
    grads = {"patches": np.zeros_like(patches), "tokens": np.zeros_like(tokens)}
    for i in np.flatnonzero(text_mask.any(axis=1) & patch_mask.any(axis=1)):
        rows, columns = text_mask[i], patch_mask[i]
        block = np.ix_([i], rows, columns)
        V, T = patches[i, columns], tokens[i, rows]
        threshold = sigma if sigma is not None else 1 / len(V)
        scale = softmax_scale if normalizer == "softmax" else 1.0
        alignment = align(
            similarity_matrix(V, T, similarity, scale), normalizer, threshold, degenerate
        )
        weights[block] = alignment.weights
        if dweights is not None:
            ds = align_backward(dweights[block][0], alignment, normalizer)
            pair = similarity_matrix_backward(ds, V, T, similarity, scale)
            grads["patches"][i, columns], grads["tokens"][i, rows] = pair
    return weights, grads


def group_patches(weights, patches, dgrouped=None):
    """Equation 5: c [B, L, D] = a V; with ``dgrouped`` also the gradients of both."""
    grouped = weights @ patches
    if dgrouped is None:
        return grouped, {}
    return grouped, {
        "weights": dgrouped @ patches.transpose(0, 2, 1),
        "patches": weights.transpose(0, 2, 1) @ dgrouped,
    }
