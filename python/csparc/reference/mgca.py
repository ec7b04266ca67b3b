"""MGCA: contrast of global vectors, cross-attended tokens of each pair, and prototypes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.reference.clip import clip_loss
from csparc.reference.cross_entropy import matching_cross_entropy
from csparc.reference.gloria import softmax, softmax_backward
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward

SINKHORN_SMOOTHING = 0.05
SINKHORN_ROUNDS = 3
CONVENTIONS = {"paper": (1.0, 1.0, 1.0), "code": (2.0, 2.0, 1.0)}
"""Factors of the global, token and prototype terms, each of which is a mean over directions."""


# Cross-attention: queries x [N, D] over keys y [M, D], both unit vectors -> outputs [N, D] -------


def split_heads(x, heads):
    """[N, H] -> [heads, N, H / heads]."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def join_heads(x):
    """[heads, N, H / heads] -> [N, H]."""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def project(x, weights, name):
    """x W^T + b; without a bias b = 0."""
    return x @ weights[name].T + weights.get(f"{name}_bias", 0.0)


def project_backward(dy, x, weights, name, dweights):
    """dx; the gradients of W and b are added to ``dweights``."""
    dweights[name] += dy.T @ x
    if f"{name}_bias" in weights:
        dweights[f"{name}_bias"] += dy.sum(axis=0)
    return dy @ weights[name]


def multi_head(x, y, weights, heads):
    """softmax(q k^T / sqrt(H / heads)) v through the output projection; and what backward needs."""
    query = split_heads(project(x, weights, "query"), heads)
    key, value = (split_heads(project(y, weights, name), heads) for name in ("key", "value"))
    attention = softmax(query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[2]), 2)
    mixed = join_heads(attention @ value)
    return project(mixed, weights, "out"), (query, key, value, attention, mixed)


def multi_head_backward(doutput, x, y, weights, heads, saved, dweights):
    """(dx, dy); the gradients of the projections are added to ``dweights``."""
    query, key, value, attention, mixed = saved
    dmixed = split_heads(project_backward(doutput, mixed, weights, "out", dweights), heads)
    dvalue = attention.transpose(0, 2, 1) @ dmixed
    dlogits = softmax_backward(dmixed @ value.transpose(0, 2, 1), attention, 2)
    dlogits = dlogits / np.sqrt(query.shape[2])
    dquery, dkey = dlogits @ key, dlogits.transpose(0, 2, 1) @ query
    dx = project_backward(join_heads(dquery), x, weights, "query", dweights)
    dy = project_backward(join_heads(dkey), y, weights, "key", dweights)
    if "key_bias" in weights:
        dweights["key_bias"][:] = 0.0  # a shift of all keys changes no attention
    return dx, dy + project_backward(join_heads(dvalue), y, weights, "value", dweights)


@dataclass
class Direction:
    """One direction of the token loss of one sample."""

    loss: float
    dx: np.ndarray
    dy: np.ndarray
    dscale: float

    __repr__ = fields_line


def token_direction(x, y, scale, weights, heads, dweights):
    """(CE(E) + CE(E^T)) / 2N, E = scale x oh^T, oh unit vectors of x's attention over y.

    ``weights`` None: attention softmax(scale x y^T) over y itself, without parameters.
    """
    if weights is None:
        cosine = x @ y.T
        attention = softmax(scale * cosine, 1)
        output = attention @ y
    else:
        output, saved = multi_head(x, y, weights, heads)
    unit, norm = unit_vector(output)
    value, dlogits = matching_cross_entropy(scale * x @ unit.T)
    share = 1 / (2 * len(x))
    dlogits = share * dlogits
    doutput = unit_vector_backward(scale * dlogits.T @ x, unit, norm)
    dscale = np.sum(dlogits * (x @ unit.T))
    dx = scale * dlogits @ unit
    if weights is None:
        dattended = softmax_backward(doutput @ y.T, attention, 1)
        dscale += np.sum(dattended * cosine)
        dx += scale * dattended @ y
        dy = scale * dattended.T @ x + attention.T @ doutput
    else:
        pair = multi_head_backward(doutput, x, y, weights, heads, saved, dweights)
        dx, dy = dx + pair[0], pair[1]
    return Direction(share * value, dx, dy, float(dscale))


def token_loss(patches, tokens, text_mask, patch_mask, scale, word, patch, heads):
    """Mean over samples of half of both directions: (loss, dpatches, dtokens, dscale, dweights)."""
    share = 1 / (2 * max(len(patches), 1))
    dpatches, dtokens = np.zeros_like(patches), np.zeros_like(tokens)
    dword, dpatch = (
        None if w is None else {name: np.zeros_like(array) for name, array in w.items()}
        for w in (word, patch)
    )
    value = dscale = 0.0
    for i in np.flatnonzero(text_mask.any(axis=1) & patch_mask.any(axis=1)):
        rows, columns = text_mask[i], patch_mask[i]
        t, t_norm = unit_vector(tokens[i, rows])
        v, v_norm = unit_vector(patches[i, columns])
        words = token_direction(t, v, scale, word, heads, dword)
        regions = token_direction(v, t, scale, patch, heads, dpatch)
        value += share * (words.loss + regions.loss)
        dscale += share * (words.dscale + regions.dscale)
        dtokens[i, rows] = share * unit_vector_backward(words.dx + regions.dy, t, t_norm)
        dpatches[i, columns] = share * unit_vector_backward(words.dy + regions.dx, v, v_norm)
    for gradients in (dword, dpatch):
        for name in gradients or ():
            gradients[name] *= share
    return value, dpatches, dtokens, dscale, dword, dpatch


# Prototypes --------------------------------------------------------------------------------------


def sinkhorn(scores):
    """Targets [B, K] from scores [B, K]: rows that sum to 1, prototypes used about equally."""
    B, K = scores.shape
    plan = scores / SINKHORN_SMOOTHING  # its logarithm: no share vanishes beside another
    for _ in range(SINKHORN_ROUNDS):
        plan = plan - np.logaddexp.reduce(plan, axis=0, keepdims=True) - np.log(K)
        plan = plan - np.logaddexp.reduce(plan, axis=1, keepdims=True) - np.log(B)
    return np.exp(plan - np.logaddexp.reduce(plan, axis=1, keepdims=True))


def prototype_loss(image, text, prototypes, scale, targets=None):
    """Each side predicts the other's assignment; image, text [B, D] unit, prototypes [K, D].

    Returns (loss, dimage, dtext, dprototypes, dscale, targets). Targets are constants.
    """
    share = 1 / (2 * len(image))
    image_scores, text_scores = image @ prototypes.T, text @ prototypes.T
    if targets is None:
        targets = sinkhorn(image_scores), sinkhorn(text_scores)
    value, dscores = 0.0, []
    for scores, target in ((image_scores, targets[1]), (text_scores, targets[0])):
        logits = scale * scores
        log_sum = np.logaddexp.reduce(logits, axis=1, keepdims=True)
        value -= share * np.sum(target * (logits - log_sum))
        dscores.append(share * (np.exp(logits - log_sum) - target))
    dimage, dtext = (scale * d @ prototypes for d in dscores)
    dprototypes = scale * (dscores[0].T @ image + dscores[1].T @ text)
    dscale = np.sum(dscores[0] * image_scores) + np.sum(dscores[1] * text_scores)
    return value, dimage, dtext, dprototypes, dscale, targets


# The whole objective -----------------------------------------------------------------------------


def mgca_loss(
    patches,
    tokens,
    *,
    image_global,
    text_global,
    prototypes,
    text_mask=None,
    patch_mask=None,
    word_attention=None,
    patch_attention=None,
    attention="mha",
    heads=1,
    logit_scale=1 / 0.07,
    local_logit_scale=1 / 0.1,
    prototype_scale=1 / 0.2,
    weights=(1.0, 1.0, 1.0),
    convention="paper",
    targets=None,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
):
    """weights[0] CLIP(globals) + weights[1] token loss + weights[2] prototype loss.

    ``prototypes`` [K, D] are used as given: whoever owns them keeps them at unit length.
    ``targets`` (of images, of captions), both [B, K], replace the assignments. ``groups`` [B] and
    ``same_group`` (:mod:`csparc.reference.groups`) concern the first term: the others have no
    negatives in the batch. ``extra_text_global`` [N, D] is of the first, too.
    """
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    prototypes = np.asarray(prototypes, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)
    factors = [w * f for w, f in zip(weights, CONVENTIONS[convention])]

    whole = clip_loss(
        image_global, text_global, logit_scale=logit_scale, groups=groups, same_group=same_group,
        extra_text_global=extra_text_global,
    )  # fmt: skip
    if attention == "free":
        word_attention = patch_attention = None
    local, dpatches, dtokens, dlocal_scale, dword, dpatch = token_loss(
        patches, tokens, text_mask, patch_mask, local_logit_scale, word_attention,
        patch_attention, heads,
    )  # fmt: skip
    image, image_norm = unit_vector(np.asarray(image_global, np.float64))
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    shared, dimage, dtext, dprototypes, dprototype_scale, targets = prototype_loss(
        image, text, prototypes, prototype_scale, targets
    )
    grads = {name: factors[0] * gradient for name, gradient in whole.grads.items()}
    grads["image_global"] += factors[2] * unit_vector_backward(dimage, image, image_norm)
    grads["text_global"] += factors[2] * unit_vector_backward(dtext, text, text_norm)
    grads["patches"], grads["tokens"] = factors[1] * dpatches, factors[1] * dtokens
    grads["local_logit_scale"] = factors[1] * dlocal_scale
    grads["prototypes"] = factors[2] * dprototypes
    grads["prototype_scale"] = float(factors[2] * dprototype_scale)
    for name, gradients in (("word_attention", dword), ("patch_attention", dpatch)):
        if gradients is not None:
            grads[name] = {part: factors[1] * g for part, g in gradients.items()}
    return Result(
        loss=float(factors[0] * whole.loss + factors[1] * local + factors[2] * shared),
        global_loss=whole.loss,
        local_loss=float(local),
        prototype_loss=float(shared),
        image_targets=targets[0],
        text_targets=targets[1],
        grads=grads,
    )
