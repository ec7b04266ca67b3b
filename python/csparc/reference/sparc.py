"""SPARC: the local loss of one sample, and the whole objective (equations 5 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.reference.alignment import (
    Alignment,
    align,
    align_backward,
    similarity_matrix,
    similarity_matrix_backward,
)
from csparc.reference.clip import clip_loss
from csparc.reference.cross_entropy import matching_cross_entropy
from csparc.reference.unit import unit_vector, unit_vector_backward


@dataclass
class Sample:
    """The local term of one sample, unweighted: sum over its tokens of both directions."""

    loss: float
    alignment: Alignment
    dpatches: np.ndarray
    dtokens: np.ndarray
    dlocal_scale: float
    dsoftmax_scale: float

    __repr__ = fields_line


def local_sample(patches, tokens, scale, options, keep=None):
    """CE(U) + CE(U^T) over U_jk = scale ch_j . th_k, for V [P, D] and T [L, D], valid rows only.

    ``options``: normalizer, similarity, sigma, softmax_scale, degenerate, detach_weights.
    """
    kind, normalizer = options["similarity"], options["normalizer"]
    softmax_scale = options["softmax_scale"] if normalizer == "softmax" else 1.0
    sigma = options["sigma"] if options["sigma"] is not None else 1 / len(patches)
    s = similarity_matrix(patches, tokens, kind, softmax_scale)
    alignment = align(s, normalizer, sigma, options["degenerate"], keep)
    grouped = alignment.weights @ patches  # equation 5: raw patches
    grouped_unit, grouped_norm = unit_vector(grouped)
    token_unit, token_norm = unit_vector(tokens)
    cosine = grouped_unit @ token_unit.T
    loss, dlogits = matching_cross_entropy(scale * cosine)

    dgrouped = unit_vector_backward(scale * dlogits @ token_unit, grouped_unit, grouped_norm)
    dtokens = unit_vector_backward(scale * dlogits.T @ grouped_unit, token_unit, token_norm)
    dpatches = alignment.weights.T @ dgrouped
    dsoftmax_scale = 0.0
    if not options["detach_weights"]:
        ds = align_backward(dgrouped @ patches.T, alignment, normalizer)
        pair = similarity_matrix_backward(ds, patches, tokens, kind, softmax_scale)
        dpatches, dtokens = dpatches + pair[0], dtokens + pair[1]
        dsoftmax_scale = float(np.sum(ds * similarity_matrix(patches, tokens, kind, 1.0)))
    dscale = float(np.sum(dlogits * cosine))
    return Sample(float(loss), alignment, dpatches, dtokens, dscale, dsoftmax_scale)


def masked_mean(x, mask):
    """x [B, N, D], mask [B, N] -> (mean of the valid rows [B, D], 0 without any; row weights)."""
    share = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return np.sum(np.where(mask[..., None], x, 0.0) * share[..., None], axis=1), share


def local_weights(counts, reduction):
    """w_i [B] of each sample's local term, from its number of tokens (0: the sample is skipped)."""
    if reduction == "sample":  # equation 6
        return np.where(counts > 0, 0.5 / (max(len(counts), 1) * np.maximum(counts, 1)), 0.0)
    return np.where(counts > 0, 0.5 / max(counts.sum(), 1), 0.0)  # Listing 1


def sparc_loss(
    patches,
    tokens,
    *,
    image_global=None,
    text_global=None,
    text_mask=None,
    patch_mask=None,
    logit_scale=1 / 0.07,
    local_logit_scale=None,
    global_weight=0.5,
    local_weight=1.0,
    normalizer="minmax_sparse",
    similarity="dot",
    sigma=None,
    softmax_scale=1.0,
    reduction="sample",
    text_pool="masked",
    degenerate="uniform",
    detach_weights=False,
    local_patches="own",
    keep_mask=None,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
):
    """Equation 7 and its gradients. Arguments as :func:`csparc.sparc_loss`; masks are boolean.

    ``keep_mask`` [B, L, P] replaces the comparison of equation 3 (``minmax_sparse`` only).
    ``local_patches="shuffled"``: the tokens of sample i meet the patches of i + 1, cyclically.
    ``groups`` [B] and ``same_group`` (:mod:`csparc.reference.groups`) concern the global part, as
    does ``extra_text_global`` [N, D].
    """
    patches, tokens = np.asarray(patches, np.float64), np.asarray(tokens, np.float64)
    (B, P, _), L = patches.shape, tokens.shape[1]
    text_mask = np.ones((B, L), bool) if text_mask is None else np.asarray(text_mask, bool)
    patch_mask = np.ones((B, P), bool) if patch_mask is None else np.asarray(patch_mask, bool)

    pool_mask = text_mask if text_pool == "masked" else np.ones_like(text_mask)
    image_mean, image_share = masked_mean(patches, patch_mask)
    text_mean, text_share = masked_mean(tokens, pool_mask)
    image = image_mean if image_global is None else image_global
    text = text_mean if text_global is None else text_global
    result = clip_loss(
        image, text, logit_scale=logit_scale, groups=groups, same_group=same_group,
        extra_text_global=extra_text_global,
    )  # fmt: skip
    dimage, dtext = (global_weight * result.grads[k] for k in ("image_global", "text_global"))
    dscale = global_weight * result.grads["logit_scale"]
    dextra = result.grads.get("extra_text_global")

    options = dict(
        normalizer=normalizer, similarity=similarity, sigma=sigma, softmax_scale=softmax_scale,
        degenerate=degenerate, detach_weights=detach_weights,
    )  # fmt: skip
    scale = logit_scale if local_logit_scale is None else local_logit_scale
    sources = np.arange(B) if local_patches == "own" else np.roll(np.arange(B), -1)
    counts = text_mask.sum(axis=1) * patch_mask[sources].any(axis=1)
    sample_weights = local_weights(counts, reduction)
    dpatches, dtokens = np.zeros_like(patches), np.zeros_like(tokens)
    weights, kept = np.zeros((B, L, P)), np.zeros((B, L, P), bool)
    dlocal_scale = dsoftmax_scale = 0.0
    for i in np.flatnonzero(counts):
        source = sources[i]
        rows, columns = text_mask[i], patch_mask[source]
        block = np.ix_([i], rows, columns)
        keep = None if keep_mask is None else np.asarray(keep_mask, bool)[block][0]
        sample = local_sample(patches[source, columns], tokens[i, rows], scale, options, keep)
        factor = local_weight * sample_weights[i]
        result.local_loss += sample_weights[i] * sample.loss
        result.margin = min(result.margin, sample.alignment.margin)
        weights[block], kept[block] = sample.alignment.weights, sample.alignment.keep
        dpatches[source, columns] = factor * sample.dpatches
        dtokens[i, rows] = factor * sample.dtokens
        dlocal_scale += factor * sample.dlocal_scale
        dsoftmax_scale += factor * sample.dsoftmax_scale

    result.loss = global_weight * result.global_loss + local_weight * result.local_loss
    pairs = np.sum(counts * patch_mask[sources].sum(axis=1))
    result.kept_fraction = float(kept.sum() / pairs) if pairs else 1.0
    result.weights, result.keep_mask = weights, kept
    result.grads = {"patches": dpatches, "tokens": dtokens, "logit_scale": dscale}
    if image_global is None:
        dpatches += image_share[..., None] * dimage[:, None]
    else:
        result.grads["image_global"] = dimage
    if text_global is None:
        dtokens += text_share[..., None] * dtext[:, None]
    else:
        result.grads["text_global"] = dtext
    if dextra is not None:
        result.grads["extra_text_global"] = global_weight * dextra
    if local_logit_scale is None:
        result.grads["logit_scale"] += dlocal_scale
    else:
        result.grads["local_logit_scale"] = dlocal_scale
    if normalizer == "softmax":
        result.grads["softmax_scale"] = dsoftmax_scale
    return result
