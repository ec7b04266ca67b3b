"""SigLIP: every pair of the batch is a yes-or-no decision of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes
from csparc._like import gives_like
from csparc._scalars import scale_number, signed_scale_number
from csparc.losses._batch import AXES, GLOBALS, global_inputs
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage, forward_contrast_flop
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput

TILE = (0, 0)
"""Images and captions of one tile; 0: as the core finds best."""


@gives_like
def siglip_loss(
    image_global: ArrayLike,
    text_global: ArrayLike,
    *,
    logit_scale: float = 10.0,
    logit_bias: float = -10.0,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Tell matching pairs from all others, each pair by itself (SigLIP, arXiv 2303.15343).

    With unit vectors ``v_i``, ``t_j`` and ``u_ij = logit_scale v_i . t_j + logit_bias``::

        loss = 1/B [ sum_i softplus(-u_ii) + sum_{i != j} softplus(u_ij) ]

    Parameters
    ----------
    image_global, text_global : [B, D]
        Embeddings of any length; they are normalised here. A zero vector has cosine 0 with all.
    logit_scale
        The number that multiplies the cosines; its gradient is of this number.
    logit_bias
        Added to every logit. At the default nearly all pairs start out as "no".
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`. Two different pairs of
        one group have no term (``"exclude"``) or count as matches (``"positive"``).
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, such as hard negatives: B N more pairs that do not
        match, each with a term ``softplus(u_in)``. The loss stays divided by B. They are of no
        group. N = 0 is as None.
    grad
        Also return ``grads``: ``image_global``, ``text_global``, ``logit_scale``, ``logit_bias``,
        and where given ``extra_text_global``.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``loss`` and ``global_loss`` are the same number.

    Notes
    -----
    2 B (B + N) D floating-point operations, 6 B (B + N) D with gradients, in one pass over tiles;
    the B x (B + N) matrix is never stored. The same bits for any number of threads.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6 and biases from -1e6 to 1e6; a
    number beyond is a ValueError.
    """
    inputs = global_inputs(image_global, text_global, extra_text_global)
    pairs = check_axes(inputs.arrays, AXES)["B"]
    marked = read_groups(groups, same_group, pairs).for_core
    scale, bias = (
        scale_number(logit_scale, "logit_scale"),
        signed_scale_number(logit_bias, "logit_bias"),
    )
    out = np.zeros(3)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    _core.siglip(
        *map(inputs.arrays.get, GLOBALS), *marked, scale, bias, *TILE, out,
        *map(buffers.get, GLOBALS),
    )  # fmt: skip
    loss, dscale, dbias = out.tolist()
    grads = buffers.finished(logit_scale=dscale, logit_bias=dbias)
    return LossOutput(loss, parts={"global_loss": loss}, grads=grads)


@register
@dataclass(frozen=True, repr=False)
class SiglipLoss(Loss):
    """:func:`siglip_loss` as an object a trainer can hold; it owns ``logit_bias``.

    Parameters
    ----------
    logit_bias
        Where the bias starts.
    """

    name = "siglip"
    label = "SigLIP"
    inputs = ("image_global", "text_global")
    parts = (Part("global_loss", "Loss", "each picture and sentence a yes or a no"),)
    initial_logit_scale = 10.0
    within_pairs = True
    takes_extra_texts = True

    logit_bias: float = option(
        -10.0,
        "Where the bias of all logits starts; it is learned.",
        check=signed_scale_number,
        paper="starts at -10",
    )

    def _begin(self) -> None:
        self._own("logit_bias", (1,), fill=self.logit_bias)

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return siglip_loss(**call, logit_bias=self.value("logit_bias"))

    def flop(self, sizes: Sizes) -> int:
        """One pass: scores and a product for each side (csparc/loss/clip/siglip.h)."""
        return 6 * sizes.B * (sizes.B + sizes.N) * sizes.D

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return forward_contrast_flop(sizes, own)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("siglip")]
