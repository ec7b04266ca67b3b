"""FILIP: every patch meets its best token, every token its best patch, in every pair."""

from __future__ import annotations

import numpy as np

from csparc.reference.clip import clip_loss
from csparc.reference.cross_entropy import live_cross_entropy
from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def kept_count(keep, total):
    """ceil(keep total), at least one, where 0.2 * 55 is 11 although it rounds to above 11."""
    return max(1, int(np.ceil(keep * total - 1e-9)))


def keep_best(scores, valid, count):
    """Mark the ``count`` largest valid entries of scores [n]; ties go to the lowest index."""
    kept = np.zeros(len(scores), bool)
    order = np.argsort(-np.where(valid, scores, -np.inf), kind="stable")
    kept[order[valid[order]][:count]] = True
    return kept


def select_keys(queries, query_mask, keys, key_mask, keep, group):
    """Kept keys [B, K]: those with the best similarity to any query of their group of samples.

    queries [B, Q, D] and keys [B, K, D] are unit vectors; a group is ``group`` consecutive samples.
    Without a valid query in the group the lowest indices are kept.
    """
    count = kept_count(keep, keys.shape[1])
    kept = np.zeros(key_mask.shape, bool)
    for first in range(0, len(keys), group):
        members = slice(first, first + group)
        pool = queries[members][query_mask[members]]
        for i in range(first, min(first + group, len(keys))):
            scores = np.zeros(len(keys[i])) if not len(pool) else (keys[i] @ pool.T).max(axis=1)
            kept[i] = keep_best(scores, key_mask[i], count)
    return kept


def late_interaction(queries, query_mask, keys, key_mask, logit_scale, marked):
    """Sum of cross-entropies of rows of logit_scale X, and gradients by queries, keys and scale.

    X_ij = mean over queries q of sample i of max over keys k of sample j of q . k, for queries
    [B, Q, D] and keys [B, K, D]. Only samples with queries and keys of their own are rows, only
    samples with keys are columns. ``marked``: the groups.
    """
    B = len(queries)
    scores = np.zeros((B, B))
    best = {}
    has_query, has_key = query_mask.any(axis=1), key_mask.any(axis=1)
    for i in np.flatnonzero(has_query):
        for j in np.flatnonzero(has_key):
            similarity = queries[i, query_mask[i]] @ keys[j, key_mask[j]].T
            best[i, j] = np.flatnonzero(key_mask[j])[similarity.argmax(axis=1)]
            scores[i, j] = similarity.max(axis=1).mean()

    value, dlogits = live_cross_entropy(logit_scale * scores, has_query & has_key, has_key, marked)
    dqueries, dkeys = np.zeros_like(queries), np.zeros_like(keys)
    for (i, j), winner in best.items():
        share = logit_scale * dlogits[i, j] / len(winner)
        dqueries[i, query_mask[i]] += share * keys[j, winner]
        np.add.at(dkeys[j], winner, share * queries[i, query_mask[i]])
    return value, dqueries, dkeys, float(np.sum(dlogits * scores))


def filip_loss(
    patches,
    tokens,
    *,
    text_mask=None,
    patch_mask=None,
    logit_scale=1 / 0.07,
    keep=0.2,
    drop="keys",
    drop_group=64,
    kept_patches=None,
    kept_tokens=None,
    groups=None,
    same_group="exclude",
):
    """(CE(kX) + CE(kY)) / 2B, X image to caption, Y caption to image, k = logit_scale.

    The keys are the share ``keep`` of each sample's patches [B, P, D] and tokens [B, L, D] that
    answers its group best; queries are everything valid (``drop="keys"``) or what is kept
    (``"both"``); ``"none"`` keeps everything. ``kept_patches`` [B, P] and ``kept_tokens`` [B, L]
    replace the selection, which looks at similarities alone, also those of pairs of one group
    (``groups`` [B] and ``same_group``: see :mod:`csparc.reference.groups`).
    """
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    patches = np.where(patch_mask[..., None], patches, 0.0)
    tokens = np.where(text_mask[..., None], tokens, 0.0)
    patch, patch_norm = unit_vector(patches)
    token, token_norm = unit_vector(tokens)

    if drop == "none":
        kept_patches, kept_tokens = patch_mask, text_mask
    if kept_patches is None:
        kept_patches = select_keys(token, text_mask, patch, patch_mask, keep, drop_group)
    if kept_tokens is None:
        kept_tokens = select_keys(patch, patch_mask, token, text_mask, keep, drop_group)
    kept_patches, kept_tokens = np.asarray(kept_patches, bool), np.asarray(kept_tokens, bool)
    query_patches = kept_patches if drop == "both" else patch_mask
    query_tokens = kept_tokens if drop == "both" else text_mask

    marked = batch_groups(groups, same_group, B)
    X = late_interaction(patch, query_patches, token, kept_tokens, logit_scale, marked)
    Y = late_interaction(token, query_tokens, patch, kept_patches, logit_scale, marked)
    share = 1 / (2 * max(B, 1))
    value = share * (X[0] + Y[0])
    return Result(
        loss=float(value),
        local_loss=float(value),
        kept_patches=kept_patches,
        kept_tokens=kept_tokens,
        grads={
            "patches": unit_vector_backward(share * (X[1] + Y[2]), patch, patch_norm),
            "tokens": unit_vector_backward(share * (X[2] + Y[1]), token, token_norm),
            "logit_scale": share * (X[3] + Y[3]),
        },
    )


def clip_filip_loss(
    patches,
    tokens,
    *,
    image_global,
    text_global,
    text_mask=None,
    patch_mask=None,
    logit_scale=1 / 0.07,
    local_logit_scale=1 / 0.07,
    global_weight=0.5,
    local_weight=0.5,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
    **options,
):
    """global_weight CLIP(globals, logit_scale) + local_weight FILIP(rows, local_logit_scale)."""
    marks = dict(groups=groups, same_group=same_group)
    whole = clip_loss(
        image_global, text_global, logit_scale=logit_scale, **marks,
        extra_text_global=extra_text_global,
    )  # fmt: skip
    local = filip_loss(
        patches, tokens, text_mask=text_mask, patch_mask=patch_mask,
        logit_scale=local_logit_scale, **marks, **options,
    )  # fmt: skip
    grads = {name: global_weight * gradient for name, gradient in whole.grads.items()}
    grads["patches"] = local_weight * local.grads["patches"]
    grads["tokens"] = local_weight * local.grads["tokens"]
    grads["local_logit_scale"] = local_weight * local.grads["logit_scale"]
    return Result(
        loss=global_weight * whole.loss + local_weight * local.loss,
        global_loss=whole.loss,
        local_loss=local.loss,
        kept_patches=local.kept_patches,
        kept_tokens=local.kept_tokens,
        grads=grads,
    )
