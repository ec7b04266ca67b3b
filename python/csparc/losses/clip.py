"""The global loss: symmetric InfoNCE over a batch of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes
from csparc._like import gives_like
from csparc._scalars import scale_number
from csparc.losses._batch import AXES, GLOBAL_PART, GLOBALS, global_inputs
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import Loss
from csparc.losses.costs import Sizes, Stage, contrast_flop, forward_contrast_flop
from csparc.losses.registry import register
from csparc.losses.result import LossOutput


@gives_like
def clip_loss(
    image_global: ArrayLike,
    text_global: ArrayLike,
    *,
    logit_scale: float = 1 / 0.07,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Contrast every image with every caption of the batch (SPARC paper, equation 1).

    With unit vectors ``v_i``, ``t_j`` and ``U_ij = logit_scale v_i . t_j``::

        loss = 1/(2B) sum_i [ lse_j U_ij - U_ii  +  lse_j U_ji - U_ii ]

    Parameters
    ----------
    image_global, text_global : [B, D]
        Embeddings of any length; they are normalised here. A zero vector is a neutral negative.
    logit_scale
        The number that multiplies the cosines: the exponential of the parameter that models store,
        as open_clip passes it. One over the temperature. Its gradient is of this number.
    groups : [B] integers, optional
        Equal ids mark pairs of which any image fits any caption: several captions of one image, or
        equal captions. A negative id marks a pair by itself. None: all are by themselves.
    same_group : {"exclude", "positive"}
        What other pairs of its group are to a row (and to a column). ``"exclude"``: no candidates;
        the loss is the usual one over what remains. ``"positive"``: matches; the target is uniform
        over the group G, ``-1/|G| sum_{j in G} log softmax_j(U_i)``, at least ``ln |G|``.
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, such as hard negatives: N more negatives of every
        image, in the ``lse_j U_ij`` of images alone; captions are contrasted with the B images as
        ever. They are of no group. N = 0 is as None.
    grad
        Also return ``grads["image_global"]``, ``["text_global"]`` and ``["logit_scale"]``, and
        where given ``["extra_text_global"]``.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``loss`` and ``global_loss`` are the same number. One pair alone has loss exactly 0, unless
        there are extra texts.

    Notes
    -----
    2 B (B + N) D floating-point operations, 8 B (B + N) D with gradients; the B x (B + N) matrix is
    never stored.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), and scales from 1e-6 to 1e6; a number beyond is a
    ValueError.
    """
    inputs = global_inputs(image_global, text_global, extra_text_global)
    pairs = check_axes(inputs.arrays, AXES)["B"]
    marked = read_groups(groups, same_group, pairs).for_core
    scale = scale_number(logit_scale, "logit_scale")
    out = np.zeros(2)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    _core.contrastive(
        *map(inputs.arrays.get, GLOBALS), *marked, scale, 1.0, out, *map(buffers.get, GLOBALS)
    )
    loss, dscale = out.tolist()
    grads = buffers.finished(logit_scale=dscale)
    return LossOutput(loss, parts={"global_loss": loss}, grads=grads)


@register
class ClipLoss(Loss):
    """:func:`clip_loss` as an object a trainer can hold: it reads the global features alone."""

    name = "clip"
    label = "CLIP"
    inputs = ("image_global", "text_global")
    parts = (GLOBAL_PART,)
    within_pairs = True
    takes_extra_texts = True

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return clip_loss(**call)

    def flop(self, sizes: Sizes) -> int:
        return contrast_flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return forward_contrast_flop(sizes, own)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("contrastive")]
