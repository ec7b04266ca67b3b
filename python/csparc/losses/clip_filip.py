"""CLIP and FILIP side by side: global vectors and late interaction, each with its own scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc._arrays import real_inputs
from csparc._scalars import number, positive
from csparc.losses._batch import Batch, contrast_globals
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import LearnedLoss
from csparc.losses.explains import Alignment, Pairs, if_trained
from csparc.losses.filip import FilipLoss, best_matches, interact, query_and_key_masks
from csparc.losses.result import LossOutput


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
    logit_scale, local_logit_scale
        Scale of the global, of the local part.
    global_weight, local_weight
        What the parts are multiplied by in ``loss``. A part of weight 0 is measured and adds
        nothing.
    grad, out_grads
        As there; ``grads``: the four arrays and both scales.

    Returns
    -------
    LossOutput
        ``global_loss`` and ``local_loss`` unweighted. Cost: the sum of both.
    """
    inputs = real_inputs(
        patches=patches, tokens=tokens, image_global=image_global, text_global=text_global
    )
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = positive(logit_scale, "logit_scale")
    local_scale = positive(local_logit_scale, "local_logit_scale")
    global_weight = number(global_weight, "global_weight")
    local_weight = number(local_weight, "local_weight")
    masks = query_and_key_masks(batch, keep, drop, drop_group)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    loss, dlocal_scale = interact(batch, masks, local_scale, buffers, marked)
    global_loss, dscale = contrast_globals(batch, scale, global_weight, buffers, marked)
    grads: dict[str, Any] = {}
    if buffers:
        for name in ("patches", "tokens"):
            buffers[name][...] *= buffers[name].dtype.type(local_weight)
        grads = {
            **buffers.finished(),
            "logit_scale": dscale,
            "local_logit_scale": local_weight * dlocal_scale,
        }
    return LossOutput(
        loss=global_weight * global_loss + local_weight * loss,
        global_loss=global_loss,
        local_loss=loss,
        grads=grads,
    )


class ClipFilipLoss(LearnedLoss):
    """:func:`clip_filip_loss` as an object a trainer can hold; it owns ``local_logit_scale``."""

    inputs = ("patches", "tokens", "image_global", "text_global")

    def __init__(
        self,
        local_logit_scale: float = 1 / 0.07,
        global_weight: float = 0.5,
        local_weight: float = 0.5,
        keep: float = 0.2,
        drop: str = "keys",
        drop_group: int = 64,
    ) -> None:
        super().__init__()
        self._options = {
            "global_weight": number(global_weight, "global_weight"),
            "local_weight": number(local_weight, "local_weight"),
            **FilipLoss(keep, drop, drop_group)._options,
        }
        self.local_logit_scale = positive(local_logit_scale, "local_logit_scale")
        self._own_scale("local_logit_scale", self.local_logit_scale)

    def config(self) -> dict[str, Any]:
        """What recreates this object: its name and options, as JSON holds them."""
        return {
            "loss": "clip+filip", "local_logit_scale": self.local_logit_scale, **self._options
        }  # fmt: skip

    def __call__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        *,
        image_global: ArrayLike,
        text_global: ArrayLike,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float = 1 / 0.07,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As :func:`clip_filip_loss`."""
        return clip_filip_loss(
            patches, tokens, image_global=image_global, text_global=text_global,
            text_mask=text_mask, patch_mask=patch_mask, logit_scale=logit_scale,
            local_logit_scale=self.value("local_logit_scale"), **self._options, groups=groups,
            same_group=same_group, grad=grad, out_grads=out_grads,
        )  # fmt: skip

    def _align(self, pairs: Pairs) -> Alignment:
        return if_trained(best_matches(pairs, "clip+filip"), self._options["local_weight"])
