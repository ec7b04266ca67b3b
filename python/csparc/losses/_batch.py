"""One batch of patches and tokens, and the global part of the objective on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import RealInputs, check_axes, valid_counts, valid_mask
from csparc.losses._grads import GradientBuffers

AXES = {
    "patches": "BPD", "tokens": "BLD", "image_global": "BD", "text_global": "BD",
    "prototypes": "KD",
}  # fmt: skip


class Batch:
    """The arrays and masks of one call, checked against each other, and their sizes."""

    def __init__(
        self, inputs: RealInputs, text_mask: ArrayLike | None, patch_mask: ArrayLike | None
    ) -> None:
        self.arrays = inputs.arrays
        self.dtype = self.arrays["patches"].dtype
        sizes = check_axes(self.arrays, AXES)
        self.B, self.P, self.L, self.D = (sizes[letter] for letter in "BPLD")
        self.text_valid = valid_mask(text_mask, "text_mask", self.B, self.L)
        self.patch_valid = valid_mask(patch_mask, "patch_mask", self.B, self.P)
        self.text_counts = valid_counts(self.text_valid, self.B, self.L)
        self.patch_counts = valid_counts(self.patch_valid, self.B, self.P)


@dataclass
class GlobalPart:
    """The global loss, unweighted, and its weighted gradients."""

    loss: float
    dscale: float
    patch_bias: np.ndarray | None
    """What every valid patch of a sample receives [B, D], where their mean is the global vector."""
    token_bias: np.ndarray | None


def contrast_globals(
    batch: Batch,
    pool_valid: np.ndarray | None,
    scale: float,
    weight: float,
    buffers: GradientBuffers | None,
) -> GlobalPart:
    """Contrast the global vectors, or the means of valid rows where none are given.

    Gradients of given vectors go to ``buffers``; those of means are returned, to be added to their
    rows. ``pool_valid``: the tokens a mean is taken over.
    """
    image = _vector(batch, "image_global", "patches", batch.patch_valid)
    text = _vector(batch, "text_global", "tokens", pool_valid)
    out = np.zeros(2)
    if buffers is None:
        _core.contrastive(image, text, scale, weight, out, None, None)
        return GlobalPart(float(out[0]), 0.0, None, None)
    dimage = buffers["image_global"] if "image_global" in batch.arrays else np.empty_like(image)
    dtext = buffers["text_global"] if "text_global" in batch.arrays else np.empty_like(text)
    _core.contrastive(image, text, scale, weight, out, dimage, dtext)
    return GlobalPart(
        loss=float(out[0]),
        dscale=float(out[1]),
        patch_bias=None
        if "image_global" in batch.arrays
        else _share(dimage, batch.P if batch.patch_valid is None else batch.patch_counts),
        token_bias=None
        if "text_global" in batch.arrays
        else _share(dtext, batch.L if pool_valid is None else batch.text_counts),
    )


def _vector(batch: Batch, name: str, rows: str, valid: np.ndarray | None) -> np.ndarray:
    if name in batch.arrays:
        return batch.arrays[name]
    mean = np.empty((batch.B, batch.D), batch.dtype)
    _core.pool_forward(batch.arrays[rows], valid, mean)
    return mean


def _share(dmean: np.ndarray, counts: np.ndarray | int) -> np.ndarray:
    """Each valid row's part of the gradient of their mean, of as many rows as ``counts``."""
    if isinstance(counts, int):
        return dmean / max(counts, 1)
    return dmean / np.maximum(counts, 1).astype(dmean.dtype)[:, None]
