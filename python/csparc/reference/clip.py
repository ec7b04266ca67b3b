"""CLIP, the global loss of SPARC (equation 1)."""

from __future__ import annotations

import numpy as np

from csparc.reference.cross_entropy import matching_cross_entropy
from csparc.reference.groups import batch_groups
from csparc.reference.result import Result
from csparc.reference.unit import unit_vector, unit_vector_backward


def clip_loss(
    image_global, text_global, *, logit_scale=1 / 0.07, groups=None, same_group="exclude"
):
    """Equation 1: (CE(U) + CE(U^T)) / 2B over U = logit_scale vh th^T, both [B, D].

    ``groups`` [B] and ``same_group``: see :mod:`csparc.reference.groups`.
    """
    image, image_norm = unit_vector(np.asarray(image_global, np.float64))
    text, text_norm = unit_vector(np.asarray(text_global, np.float64))
    pairs = len(image)
    if pairs == 0:
        value, dlogits = 0.0, np.zeros((0, 0))
    else:
        marked = batch_groups(groups, same_group, pairs)
        value, dlogits = matching_cross_entropy(logit_scale * image @ text.T, marked)
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
