"""PACL: patches weighted by their similarity to a caption, for every pair of the batch."""

from __future__ import annotations

import numpy as np

from csparc.reference.cross_entropy import live_cross_entropy
from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def patch_weights(cosine, weight_scale, kind):
    """a [P, B] from cosines [P, B]: softmax over patches, or each patch's own sigmoid."""
    logits = weight_scale * cosine
    if kind == "sigmoid":
        return np.exp(-np.logaddexp(0, -logits))
    weights = np.exp(logits - logits.max(axis=0))
    return weights / weights.sum(axis=0)


def patch_weights_backward(dweights, weights, kind):
    """dL/d(weight_scale cosine) from dL/da."""
    if kind == "sigmoid":
        return weights * (1 - weights) * dweights
    return weights * (dweights - np.sum(weights * dweights, axis=0))


def pacl_loss(
    patches,
    text_global,
    *,
    patch_mask=None,
    logit_scale=1 / 0.07,
    weight_scale=1.0,
    weights="softmax",
    pool="raw",
    renormalize=True,
    groups=None,
    same_group="exclude",
):
    """(CE(S) + CE(S^T)) / 2B over S = logit_scale phi, for patches [B, P, D] and captions [B, D].

    For image i and caption j: a = softmax over patches k of weight_scale cos(v_ik, t_j),
    w = sum_k a_k v_ik, phi = cos(w, t_j). ``pool="unit"`` pools unit patches; without
    ``renormalize`` phi = w . t_j / |t_j|. ``groups`` [B] and ``same_group``: see
    :mod:`csparc.reference.groups`.
    """
    patches = np.asarray(patches, np.float64)
    B, P, _ = patches.shape
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    alive = patch_mask.any(axis=1)

    phi, saved = np.zeros((B, B)), {}
    for i in np.flatnonzero(alive):
        V = patches[i, patch_mask[i]]
        unit, norm = unit_vector(V)
        cosine = unit @ text.T
        a = patch_weights(cosine, weight_scale, weights)
        pooled = a.T @ (unit if pool == "unit" else V)
        pooled_unit, pooled_norm = unit_vector(pooled)
        phi[i] = np.sum((pooled_unit if renormalize else pooled) * text, axis=1)
        saved[i] = V, unit, norm, cosine, a, pooled_unit, pooled_norm

    everyone = np.ones(B, bool)
    marked = batch_groups(groups, same_group, B)
    rows = live_cross_entropy(logit_scale * phi, alive, everyone, marked)
    columns = live_cross_entropy(logit_scale * phi.T, alive, alive, marked)
    value = (rows[0] + columns[0]) / (2 * max(B, 1))
    dlogits = (rows[1] + columns[1].T) / (2 * max(B, 1))
    dphi = logit_scale * dlogits

    dpatches, dtext_unit, dweight_scale = np.zeros_like(patches), np.zeros_like(text), 0.0
    for i, (V, unit, norm, cosine, a, pooled_unit, pooled_norm) in saved.items():
        dscored = dphi[i][:, None] * text
        dpooled = (
            unit_vector_backward(dscored, pooled_unit, pooled_norm) if renormalize else dscored
        )
        pooled = pooled_unit * pooled_norm[:, None]
        dtext_unit += dphi[i][:, None] * (pooled_unit if renormalize else pooled)
        source = unit if pool == "unit" else V
        dattended = patch_weights_backward(source @ dpooled.T, a, weights)
        dweight_scale += np.sum(dattended * cosine)
        dtext_unit += weight_scale * dattended.T @ unit
        dunit = weight_scale * dattended @ text
        dsource = a @ dpooled
        if pool == "unit":
            dunit, dsource = dunit + dsource, 0.0
        dpatches[i, patch_mask[i]] = dsource + unit_vector_backward(dunit, unit, norm)

    return Result(
        loss=float(value),
        local_loss=float(value),
        grads={
            "patches": dpatches,
            "text_global": unit_vector_backward(dtext_unit, text, text_norm),
            "logit_scale": float(np.sum(dlogits * phi)),
            "weight_scale": float(dweight_scale),
        },
    )
