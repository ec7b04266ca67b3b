"""The objectives in plain float64 NumPy, forward and backward: slow, explicit, the yardstick.

Letters: B pairs, P patches, L tokens, D shared width. Names follow the SPARC paper
(arXiv 2401.09865, equations 1 to 7). Everything is computed in float64, one sample at a time, and
nothing here is shared with the C core, which is tested against it.

A ``keep_mask`` gives :func:`sparc_loss` the threshold decisions of another implementation: a
float32 similarity that rounds across the threshold changes a gradient far more than rounding
does, so the decision has to be compared separately from the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

EPS_NORM = 1e-12
"""A vector no longer than this is dead: its unit vector is 0 and so is its gradient."""

EPS_RANGE = 1e-6
"""A similarity row whose range is at most this part of its largest magnitude is degenerate."""


@dataclass
class Result:
    """What a loss returns: values, the alignment weights, and gradients by argument name."""

    loss: float
    global_loss: float = 0.0
    local_loss: float = 0.0
    kept_fraction: float = 1.0
    margin: float = np.inf
    """Distance of the nearest discrete choice (threshold, minimum) from flipping, as a part of
    the row's range: a comparison in another precision means something above that precision."""
    weights: np.ndarray | None = None
    keep_mask: np.ndarray | None = None
    grads: dict = field(default_factory=dict)


# Unit vectors ------------------------------------------------------------------------------------


def unit_vector(x):
    """x [..., D] -> (x/|x|, |x|), with 0 for a vector not longer than EPS_NORM."""
    scale = np.max(np.abs(x), axis=-1, keepdims=True, initial=0.0)
    scale = np.where(scale > 0, scale, 1.0)
    norm = scale * np.sqrt(np.sum((x / scale) ** 2, axis=-1, keepdims=True))
    dead = norm <= EPS_NORM
    return np.where(dead, 0.0, x / np.where(dead, 1.0, norm)), norm[..., 0]


def unit_vector_backward(dunit, unit, norm):
    """Gradient of x from that of its unit vector: the part along x is lost; 0 for a dead x."""
    dead = norm <= EPS_NORM
    along = np.sum(dunit * unit, axis=-1, keepdims=True)
    dx = (dunit - unit * along) / np.where(dead, 1.0, norm)[..., None]
    return np.where(dead[..., None], 0.0, dx)


# Cross-entropy of matching pairs -----------------------------------------------------------------


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


def clip_loss(image_global, text_global, *, logit_scale=1 / 0.07):
    """Equation 1: (CE(U) + CE(U^T)) / 2B over U = logit_scale vh th^T, both [B, D]."""
    image, image_norm = unit_vector(np.asarray(image_global, np.float64))
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    pairs = len(image)
    if pairs == 0:
        value, dlogits = 0.0, np.zeros((0, 0))
    else:
        value, dlogits = matching_cross_entropy(logit_scale * image @ text.T)
        value, dlogits = value / (2 * pairs), dlogits / (2 * pairs)
    return Result(
        loss=float(value),
        global_loss=float(value),
        grads={
            "image_global": unit_vector_backward(logit_scale * dlogits @ text, image, image_norm),
            "text_global": unit_vector_backward(logit_scale * dlogits.T @ image, text, text_norm),
            "logit_scale": float(np.sum(dlogits * (image @ text.T))),
        },
    )


# Alignment weights of one sample: similarities [L, P] -> weights [L, P] --------------------------


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


# The local loss of one sample --------------------------------------------------------------------


@dataclass
class Sample:
    """The local term of one sample, unweighted: sum over its tokens of both directions."""

    loss: float
    alignment: Alignment
    dpatches: np.ndarray
    dtokens: np.ndarray
    dlocal_scale: float
    dsoftmax_scale: float


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


# The whole objective -----------------------------------------------------------------------------


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
    keep_mask=None,
):
    """Equation 7 and its gradients. Arguments as :func:`csparc.sparc_loss`; masks are boolean.

    ``keep_mask`` [B, L, P] replaces the comparison of equation 3 (``minmax_sparse`` only).
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
    result = clip_loss(image, text, logit_scale=logit_scale)
    dimage, dtext = (global_weight * result.grads[k] for k in ("image_global", "text_global"))
    dscale = global_weight * result.grads["logit_scale"]

    options = dict(
        normalizer=normalizer, similarity=similarity, sigma=sigma, softmax_scale=softmax_scale,
        degenerate=degenerate, detach_weights=detach_weights,
    )  # fmt: skip
    scale = logit_scale if local_logit_scale is None else local_logit_scale
    counts = text_mask.sum(axis=1) * patch_mask.any(axis=1)
    sample_weights = local_weights(counts, reduction)
    dpatches, dtokens = np.zeros_like(patches), np.zeros_like(tokens)
    weights, kept = np.zeros((B, L, P)), np.zeros((B, L, P), bool)
    dlocal_scale = dsoftmax_scale = 0.0
    for i in np.flatnonzero(counts):
        rows, columns = text_mask[i], patch_mask[i]
        block = np.ix_([i], rows, columns)
        keep = None if keep_mask is None else np.asarray(keep_mask, bool)[block][0]
        sample = local_sample(patches[i, columns], tokens[i, rows], scale, options, keep)
        factor = local_weight * sample_weights[i]
        result.local_loss += sample_weights[i] * sample.loss
        result.margin = min(result.margin, sample.alignment.margin)
        weights[block], kept[block] = sample.alignment.weights, sample.alignment.keep
        dpatches[i, columns] = factor * sample.dpatches
        dtokens[i, rows] = factor * sample.dtokens
        dlocal_scale += factor * sample.dlocal_scale
        dsoftmax_scale += factor * sample.dsoftmax_scale

    result.loss = global_weight * result.global_loss + local_weight * result.local_loss
    pairs = np.sum(counts * patch_mask.sum(axis=1))
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
    if local_logit_scale is None:
        result.grads["logit_scale"] += dlocal_scale
    else:
        result.grads["local_logit_scale"] = dlocal_scale
    if normalizer == "softmax":
        result.grads["softmax_scale"] = dsoftmax_scale
    return result


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
