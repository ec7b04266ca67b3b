"""GLoRIA: each word attends to the patches of an image, for every pair of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.reference.clip import clip_loss
from csparc.reference.cross_entropy import live_cross_entropy
from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def softmax(x, axis):
    """Softmax along one axis."""
    exponent = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponent / exponent.sum(axis=axis, keepdims=True)


def softmax_backward(dsoftmax, softmaxed, axis):
    """dx from the gradient of softmax(x)."""
    mean = np.sum(softmaxed * dsoftmax, axis=axis, keepdims=True)
    return softmaxed * (dsoftmax - mean)


@dataclass
class Pair:
    """One image with one caption: z and what its backward needs."""

    z: float
    similarity: np.ndarray  # [L, P], scaled by 1 / sqrt(D)
    words: np.ndarray | None  # [L, P] softmax over words first, where that is asked for
    attention: np.ndarray  # [L, P]
    context: tuple  # unit vectors [L, D] and lengths [L] of the attended patches
    token: tuple
    cosine: np.ndarray  # [L]

    __repr__ = fields_line


def pair_forward(V, T, attention_scale, pool_scale, options):
    """z of the patches V [P, D] and the words T [L, D] of one pair."""
    similarity = T @ V.T / np.sqrt(V.shape[1])
    words = softmax(similarity, 0) if options["attention"] == "words_then_regions" else None
    attention = softmax(attention_scale * (similarity if words is None else words), 1)
    context, token = unit_vector(attention @ V), unit_vector(T)
    cosine = np.sum(context[0] * token[0], axis=1)
    z = np.logaddexp.reduce(pool_scale * cosine)
    if options["pooling"] == "mean":
        z -= np.log(len(T))
    z = z / pool_scale if options["divide_by_pool_scale"] else z
    return Pair(z, similarity, words, attention, context, token, cosine)


def pair_backward(dz, pair, V, T, attention_scale, pool_scale, options):
    """(dV, dT, dattention_scale, dpool_scale) from dL/dz."""
    share = softmax(pool_scale * pair.cosine, 0)
    if options["divide_by_pool_scale"]:
        dcosine = dz * share
        dpool_scale = dz * (np.sum(share * pair.cosine) - pair.z) / pool_scale
    else:
        dcosine = dz * share * pool_scale
        dpool_scale = dz * np.sum(share * pair.cosine)
    dcontext = unit_vector_backward(dcosine[:, None] * pair.token[0], *pair.context)
    dT = unit_vector_backward(dcosine[:, None] * pair.context[0], *pair.token)
    dV = pair.attention.T @ dcontext
    dlogits = softmax_backward(dcontext @ V.T, pair.attention, 1)
    source = pair.similarity if pair.words is None else pair.words
    dattention_scale = np.sum(dlogits * source)
    dsource = attention_scale * dlogits
    if pair.words is not None:
        dsource = softmax_backward(dsource, pair.words, 0)
    dsource = dsource / np.sqrt(V.shape[1])
    return dV + dsource.T @ T, dT + dsource @ V, dattention_scale, dpool_scale


def gloria_local_loss(patches, tokens, text_mask, patch_mask, scales, options, marked):
    """(CE(S) + CE(S^T)) / 2B over S_ij = k3 z_ij; scales are (k1, k2, k3), ``marked`` the groups.

    Returns (loss, dpatches, dtokens, gradients of the three scales).
    """
    attention_scale, pool_scale, logit_scale = scales
    B = len(patches)
    has_patch, has_word = patch_mask.any(axis=1), text_mask.any(axis=1)
    z, pairs = np.zeros((B, B)), {}
    for i in np.flatnonzero(has_patch):
        for j in np.flatnonzero(has_word):
            V, T = patches[i, patch_mask[i]], tokens[j, text_mask[j]]
            pairs[i, j] = pair_forward(V, T, attention_scale, pool_scale, options)
            z[i, j] = pairs[i, j].z
    both = has_patch & has_word
    rows = live_cross_entropy(logit_scale * z, both, has_word, marked)
    columns = live_cross_entropy(logit_scale * z.T, both, has_patch, marked)
    share = 1 / (2 * max(B, 1))
    dlogits = share * (rows[1] + columns[1].T)

    dpatches, dtokens, dscales = np.zeros_like(patches), np.zeros_like(tokens), np.zeros(3)
    for (i, j), pair in pairs.items():
        V, T = patches[i, patch_mask[i]], tokens[j, text_mask[j]]
        dz = logit_scale * dlogits[i, j]
        dV, dT, *dpair = pair_backward(dz, pair, V, T, attention_scale, pool_scale, options)
        dpatches[i, patch_mask[i]] += dV
        dtokens[j, text_mask[j]] += dT
        dscales[:2] += dpair
    dscales[2] = np.sum(dlogits * z)
    return share * (rows[0] + columns[0]), dpatches, dtokens, dscales


def gloria_loss(
    patches,
    tokens,
    *,
    image_global,
    text_global,
    text_mask=None,
    patch_mask=None,
    logit_scale=10.0,
    attention_scale=4.0,
    pool_scale=5.0,
    local_logit_scale=10.0,
    attention="regions",
    pooling="sum",
    divide_by_pool_scale=True,
    global_weight=1.0,
    local_weight=1.0,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
):
    """global_weight CLIP(globals) + local_weight L_local(patches [B, P, D], tokens [B, L, D]).

    ``groups`` [B] and ``same_group``, for both: see :mod:`csparc.reference.groups`.
    ``extra_text_global`` [N, D] is of the first.
    """
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    options = dict(attention=attention, pooling=pooling, divide_by_pool_scale=divide_by_pool_scale)
    whole = clip_loss(
        image_global, text_global, logit_scale=logit_scale, groups=groups, same_group=same_group,
        extra_text_global=extra_text_global,
    )  # fmt: skip
    scales = (attention_scale, pool_scale, local_logit_scale)
    local, dpatches, dtokens, dscales = gloria_local_loss(
        patches, tokens, text_mask, patch_mask, scales, options,
        batch_groups(groups, same_group, B),
    )  # fmt: skip
    grads = {name: global_weight * gradient for name, gradient in whole.grads.items()}
    names = ("attention_scale", "pool_scale", "local_logit_scale")
    grads.update(zip(names, (float(local_weight * d) for d in dscales)))
    grads["patches"], grads["tokens"] = local_weight * dpatches, local_weight * dtokens
    return Result(
        loss=float(global_weight * whole.loss + local_weight * local),
        global_loss=whole.loss,
        local_loss=float(local),
        grads=grads,
    )
