"""CLIP, the global loss of SPARC (equation 1)."""

from __future__ import annotations

import numpy as np

from csparc.reference.cross_entropy import live_cross_entropy, matching_cross_entropy
from csparc.reference.groups import Groups, batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def extended_cross_entropy(logits, extra, marked):
    """CE(S | X) + CE(S^T) for S [B, B] beside X [B, N], the scores of captions that match no image;
    its gradients by S and by X.

    The rows of [S X] are those of a square whose last N rows are not contrasted.
    """
    B, size = len(logits), sum(extra.shape)
    square, same = np.zeros((size, size)), np.eye(size, dtype=bool)
    square[:B], same[:B, :B] = np.hstack([logits, extra]), marked.same
    everyone = np.ones(size, bool)
    rows = live_cross_entropy(square, np.arange(size) < B, everyone, Groups(same, marked.positive))
    columns = live_cross_entropy(logits.T, everyone[:B], everyone[:B], marked)
    return rows[0] + columns[0], rows[1][:B, :B] + columns[1].T, rows[1][:B, B:]


def clip_loss(
    image_global,
    text_global,
    *,
    logit_scale=1 / 0.07,
    groups=None,
    same_group="exclude",
    extra_text_global=None,
):
    """Equation 1: (CE(U) + CE(U^T)) / 2B over U = logit_scale vh th^T, both [B, D].

    ``groups`` [B] and ``same_group``: see :mod:`csparc.reference.groups`. ``extra_text_global``
    [N, D]: captions without a picture, columns that CE(U) has beside the others.
    """
    if extra_text_global is not None and len(extra_text_global) and len(image_global):
        arrays = (image_global, text_global, extra_text_global)
        return _with_extra(*arrays, logit_scale, batch_groups(groups, same_group, len(arrays[0])))
    image, image_norm = unit_vector(np.asarray(image_global, np.float64))
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    pairs = len(image)
    if pairs == 0:
        value, dlogits = 0.0, np.zeros((0, 0))
    else:
        marked = batch_groups(groups, same_group, pairs)
        value, dlogits = matching_cross_entropy(logit_scale * image @ text.T, marked)
        value, dlogits = value / (2 * pairs), dlogits / (2 * pairs)
    extra = {}
    if extra_text_global is not None:  # no text, or no image that it could be a negative of
        extra["extra_text_global"] = np.zeros(np.shape(extra_text_global))
    return Result(
        loss=float(value),
        global_loss=float(value),
        grads={
            "image_global": unit_vector_backward(logit_scale * dlogits @ text, image, image_norm),
            "text_global": unit_vector_backward(logit_scale * dlogits.T @ image, text, text_norm),
            "logit_scale": float(np.sum(dlogits * (image @ text.T))),
            **extra,
        },
    )


def _with_extra(image_global, text_global, extra_text_global, scale, marked):
    arrays = (image_global, text_global, extra_text_global)
    units = [unit_vector(np.asarray(array, np.float64)) for array in arrays]
    image, text, extra = (unit for unit, _ in units)
    cosine, extra_cosine, share = image @ text.T, image @ extra.T, 1 / (2 * len(image))
    value, dS, dX = extended_cross_entropy(scale * cosine, scale * extra_cosine, marked)
    dS, dX = share * dS, share * dX
    dunits = (scale * (dS @ text + dX @ extra), scale * dS.T @ image, scale * dX.T @ image)
    names = ("image_global", "text_global", "extra_text_global")
    grads = {
        name: unit_vector_backward(dunit, *unit) for name, dunit, unit in zip(names, dunits, units)
    }
    grads["logit_scale"] = float(np.sum(dS * cosine) + np.sum(dX * extra_cosine))
    return Result(loss=float(share * value), global_loss=float(share * value), grads=grads)
