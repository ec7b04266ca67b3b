"""CLIP and FILIP side by side: global vectors and late interaction, each with its own scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._scalars import scale_number, weight_number
from csparc.losses._batch import GLOBAL_PART, Batch, contrast_globals
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import Loss
from csparc.losses.costs import Sizes, Stage, contrast_flop, forward_contrast_flop
from csparc.losses.explains import Alignment, Pairs, if_trained
from csparc.losses.filip import (
    DROP,
    DROP_GROUP,
    KEEP,
    MATCHES,
    FilipLoss,
    best_matches,
    interact,
    query_and_key_masks,
)
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput


@gives_like
def clip_filip_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    image_global: ArrayLike,
    text_global: ArrayLike,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 1 / 0.07,
    local_logit_scale: float = 1 / 0.07,
    global_weight: float = 0.5,
    local_weight: float = 0.5,
    keep: float = 0.2,
    drop: str = "keys",
    drop_group: int = 64,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """``global_weight`` :func:`clip_loss` + ``local_weight`` :func:`filip_loss`.

    Parameters
    ----------
    patches, tokens, text_mask, patch_mask, keep, drop, drop_group, groups, same_group
        As in :func:`filip_loss`.
    image_global, text_global : [B, D]
        As in :func:`clip_loss`.
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, as in :func:`clip_loss`: of its part.
    logit_scale, local_logit_scale
        Scales of the global and of the local part.
    global_weight, local_weight
        What the parts are multiplied by in ``loss``. A part of weight 0 is measured and adds
        nothing.
    grad, out_grads
        As in both functions; ``grads``: the arrays given and both scales.

    Returns
    -------
    LossOutput
        ``global_loss`` and ``local_loss`` unweighted. Cost: the sum of both.

    Notes
    -----
    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6, weights from -1000 to 1000 and
    shares above 0 up to 1; a number beyond is a ValueError.
    """
    inputs = real_inputs(
        optional=("extra_text_global",), patches=patches, tokens=tokens, image_global=image_global,
        text_global=text_global, extra_text_global=extra_text_global,
    )  # fmt: skip
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = scale_number(logit_scale, "logit_scale")
    local_scale = scale_number(local_logit_scale, "local_logit_scale")
    global_weight = weight_number(global_weight, "global_weight")
    local_weight = weight_number(local_weight, "local_weight")
    masks = query_and_key_masks(batch, keep, drop, drop_group)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    loss, dlocal_scale = interact(batch, masks, local_scale, buffers, marked)
    global_loss, dscale = contrast_globals(batch, scale, global_weight, buffers, marked)
    if buffers:
        for name in ("patches", "tokens"):
            buffers[name][...] *= buffers[name].dtype.type(local_weight)
    grads = buffers.finished(logit_scale=dscale, local_logit_scale=local_weight * dlocal_scale)
    return LossOutput(
        global_weight * global_loss + local_weight * loss,
        parts={"global_loss": global_loss, "local_loss": loss},
        grads=grads,
    )


@register
@dataclass(frozen=True, repr=False)
class ClipFilipLoss(Loss):
    """:func:`clip_filip_loss` as an object a trainer can hold; it owns ``local_logit_scale``."""

    name = "clip+filip"
    label = "CLIP + FILIP"
    inputs = ("patches", "tokens", "image_global", "text_global")
    parts = (GLOBAL_PART, MATCHES)
    takes_extra_texts = True

    local_logit_scale: float = option(
        1 / 0.07, "Where the scale of the FILIP part starts; it is learned.", check=scale_number
    )
    global_weight: float = option(0.5, "What the CLIP part is multiplied by.", check=weight_number)
    local_weight: float = option(0.5, "What the FILIP part is multiplied by.", check=weight_number)
    keep: float = KEEP()
    drop: str = DROP()
    drop_group: int = DROP_GROUP()

    def _begin(self) -> None:
        self._own_scale("local_logit_scale", self.local_logit_scale)

    def _filip(self) -> FilipLoss:
        return FilipLoss(self.keep, self.drop, self.drop_group)

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return clip_filip_loss(
            **call, local_logit_scale=self.value("local_logit_scale"),
            global_weight=self.global_weight, local_weight=self.local_weight,
            keep=self.keep, drop=self.drop, drop_group=self.drop_group,
        )  # fmt: skip

    def local_scale(self, logit_scale: float) -> float:
        return self.value("local_logit_scale")

    def _align(self, pairs: Pairs) -> Alignment:
        return if_trained(best_matches(pairs, self), self.local_weight)

    def flop(self, sizes: Sizes) -> int:
        return contrast_flop(sizes) + self._filip().flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return forward_contrast_flop(sizes, own) + self._filip().forward_flop(sizes, own)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        local = self._filip().stages(sizes, itemsize)
        return [*local, Stage("contrastive", arrays=local[-1].arrays)]
