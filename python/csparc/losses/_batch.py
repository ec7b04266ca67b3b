"""One batch of patches and tokens, and the global part of the objectives on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import RealInputs, check_axes, real_inputs, valid_mask
from csparc._warn import warn
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import NO_GROUPS, Groups
from csparc.losses.base import Part

AXES = {
    "patches": "BPD", "tokens": "BLD", "image_global": "BD", "text_global": "BD",
    "extra_text_global": "ND", "prototypes": "KD",
}  # fmt: skip
GLOBALS = ("image_global", "text_global", "extra_text_global")
"""What a global part reads: of pictures, of their captions, of captions without a picture."""
GLOBAL_PART = Part("global_loss", "Global loss", "pictures against sentences, over a batch")
"""The part that contrasts whole pictures with whole captions: `contrast_globals`."""


def global_inputs(
    image_global: ArrayLike, text_global: ArrayLike, extra_text_global: ArrayLike | None
) -> RealInputs:
    """The arrays of a loss of global vectors alone."""
    return real_inputs(
        optional=("extra_text_global",), image_global=image_global, text_global=text_global,
        extra_text_global=extra_text_global,
    )  # fmt: skip


class Batch:
    """The arrays and masks of one call, checked against each other, and their sizes."""

    __slots__ = ("B", "D", "L", "P", "arrays", "dtype", "patch_valid", "text_valid")

    def __init__(
        self, inputs: RealInputs, text_mask: ArrayLike | None, patch_mask: ArrayLike | None
    ) -> None:
        self.arrays = inputs.arrays
        self.dtype = inputs.dtype
        sizes = check_axes(inputs.arrays, AXES)
        self.B, self.P, self.D, self.L = sizes["B"], sizes["P"], sizes["D"], sizes["L"]
        self.text_valid = valid_mask(text_mask, "text_mask", self.B, self.L)
        self.patch_valid = valid_mask(patch_mask, "patch_mask", self.B, self.P)
        _warn_of_none(self.text_valid, "text_mask")
        _warn_of_none(self.patch_valid, "patch_mask")


def _warn_of_none(valid: np.ndarray | None, name: str) -> None:
    """A mask that leaves nothing has a defined loss, and is nearly always meant otherwise."""
    if valid is not None and valid.size and not valid.any():
        warn(
            f"{name}: no entry of the batch is valid, so that nothing is learned from them; True "
            "and 1 mean valid (an inverted mask, or an additive one of zeros?)"
        )


def contrast_globals(
    batch: Batch,
    scale: float,
    weight: float,
    buffers: GradientBuffers,
    groups: Groups = NO_GROUPS,
) -> tuple[float, float]:
    """(global loss, unweighted; weighted gradient of the scale) of the global vectors given.

    Their weighted gradients go to ``buffers``.
    """
    out = np.zeros(2)
    _core.contrastive(
        *map(batch.arrays.get, GLOBALS), *groups.for_core, scale, weight, out,
        *map(buffers.get, GLOBALS),
    )  # fmt: skip
    loss, dscale = out.tolist()
    return loss, dscale
