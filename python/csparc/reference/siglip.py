"""SigLIP: every pair of the batch is a binary decision of its own."""

from __future__ import annotations

import numpy as np

from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def siglip_loss(
    image_global,
    text_global,
    *,
    logit_scale=10.0,
    logit_bias=-10.0,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
):
    """-(1/B) sum_ij ln sigmoid(z_ij u_ij), u = logit_scale vh th^T + logit_bias, z = +-1.

    z is 1 for matching pairs (the diagonal) and -1 elsewhere; image and text are [B, D]. Other
    pairs of a group (ids ``groups`` [B]) have no term, or z = 1 with ``same_group="positive"``.
    ``extra_text_global`` [N, D]: captions without a picture, columns of the matrix with z = -1.
    """
    image, image_norm = unit_vector(np.asarray(image_global, np.float64))
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    pairs = max(len(image), 1)
    extra = np.zeros((0, image.shape[1])) if extra_text_global is None else extra_text_global
    extra, extra_norm = unit_vector(np.asarray(extra, np.float64))
    columns = np.vstack([text, extra])
    cosine = image @ columns.T
    # ln sigmoid(x) = min(x, 0) - ln(1 + e^-|x|), and its derivative is sigmoid(-x)
    marked = batch_groups(groups, same_group, len(image))
    matching = marked.same if marked.positive else np.eye(len(image), dtype=bool)
    sign = np.where(matching, 1, -1) * (matching | ~marked.same)  # 0: no term
    sign = np.hstack([sign, -np.ones((len(image), len(extra)), sign.dtype)])
    signed = sign * (logit_scale * cosine + logit_bias)
    terms = np.log1p(np.exp(-np.abs(signed))) - np.minimum(signed, 0)
    value = np.sum(np.abs(sign) * terms) / pairs
    dlogits = -sign * np.exp(-np.logaddexp(0, signed)) / pairs
    dcolumns = logit_scale * dlogits.T @ image
    dtext, dextra = dcolumns[: len(text)], dcolumns[len(text) :]
    grads = {
        "image_global": unit_vector_backward(logit_scale * dlogits @ columns, image, image_norm),
        "text_global": unit_vector_backward(dtext, text, text_norm),
        "logit_scale": float(np.sum(dlogits * cosine)),
        "logit_bias": float(np.sum(dlogits)),
    }
    if extra_text_global is not None:
        grads["extra_text_global"] = unit_vector_backward(dextra, extra, extra_norm)
    return Result(loss=float(value), global_loss=float(value), grads=grads)
