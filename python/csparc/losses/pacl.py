"""PACL: patches weighted by their similarity to a caption, for every pair of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes, real_inputs, valid_mask
from csparc._like import gives_like
from csparc._rows import unit_rows_float64
from csparc._scalars import choice, flag, scale_number
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage, gram_flop, through_gram_flop
from csparc.losses.explains import Alignment, Pairs, unit_rows
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import sparse_similarity

if TYPE_CHECKING:
    from csparc.losses.pair_scores import LateFeatures, LateScores

TILE = (0, 0)
"""Images and captions of one tile; 0: as the core finds best."""
WEIGHTS = ("softmax", "sigmoid")
POOLS = ("raw", "unit")


@gives_like
def pacl_loss(
    patches: ArrayLike,
    text_global: ArrayLike,
    *,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 1 / 0.07,
    weight_scale: float = 1.0,
    weights: str = "softmax",
    pool: str = "raw",
    renormalize: bool = True,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Patch Aligned Contrastive Learning: contrast captions with the patches they select.

    For image i with patches ``v_k`` and caption j with unit vector ``t``::

        a   = softmax over k of weight_scale cos(v_k, t)
        phi = cos(sum_k a_k v_k, t)
        loss = 1/(2B) sum_i [ lse_j S_ij - S_ii  +  lse_j S_ji - S_ii ],  S = logit_scale phi

    Parameters
    ----------
    patches : [B, P, D]
        Embedded patches, not normalised.
    text_global : [B, D]
        One vector a caption; normalised here.
    patch_mask : [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing. An image
        without a valid patch is neither a positive nor a negative; its caption stays a negative.
    logit_scale, weight_scale
        Multiply the contrasted cosines, and the cosines patches are weighted by.
    weights
        ``"softmax"`` over the patches, or each patch's own ``"sigmoid"``.
    pool
        Weigh the patches as they are (``"raw"``) or as ``"unit"`` vectors.
    renormalize
        Contrast cosines of what was pooled; False: its inner products with ``t``.
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`.
    grad
        Also return ``grads``: ``patches``, ``text_global``, ``logit_scale``, ``weight_scale``.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``loss`` and ``local_loss`` are the same number. One pair alone has loss exactly 0.

    Notes
    -----
    With Gram matrices of the images, 8 B² P D + 5 B² P² floating-point operations for value and
    gradients; nothing of size B x B is stored. The same bits for any number of threads.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), and scales from 1e-6 to 1e6; a number beyond is a
    ValueError.
    Where the patches a caption weighs cancel to less than a hundredth of their lengths, what they
    add up to is formed itself, at 2 P D operations for each such pair;
    docs/objectives/gloria.md has the digits of float32 that are left.
    """
    inputs = real_inputs(patches=patches, text_global=text_global)
    arrays = inputs.arrays
    sizes = check_axes(arrays, {"patches": "BPD", "text_global": "BD"})
    valid = valid_mask(patch_mask, "patch_mask", sizes["B"], sizes["P"])
    marked = read_groups(groups, same_group, sizes["B"]).for_core
    options = (
        scale_number(logit_scale, "logit_scale"),
        scale_number(weight_scale, "weight_scale"),
        choice(weights, "weights", WEIGHTS),
        choice(pool, "pool", POOLS),
        flag(renormalize, "renormalize"),
        *TILE,
    )
    out = np.zeros(3)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    _core.pacl(*arrays.values(), valid, *marked, *options, out, *map(buffers.get, arrays))
    loss, dscale, dweight_scale = out.tolist()
    grads = buffers.finished(logit_scale=dscale, weight_scale=dweight_scale)
    return LossOutput(loss, parts={"local_loss": loss}, grads=grads)


@register
@dataclass(frozen=True, repr=False)
class PaclLoss(Loss):
    """:func:`pacl_loss` with its options fixed, as an object a trainer can hold.

    Parameters
    ----------
    weight_scale
        As in the function; where it starts, if learned.
    learn_weight_scale
        Own ``weight_scale`` as a parameter. By default it stays what it is, as in the original.
    weights, pool, renormalize
        As in the function.
    """

    name = "pacl"
    label = "PACL"
    inputs = ("patches", "text_global")
    parts = (Part("local_loss", "Loss", "sentences and the patches they weigh, over a batch"),)

    weight_scale: float = option(
        1.0,
        "Multiplies the cosines that patches are weighted by.",
        check=scale_number,
        paper="none: a plain softmax of cosines",
    )
    learn_weight_scale: bool = option(False, "Learn weight_scale from where it starts.")
    weights: str = option(
        "softmax",
        "Softmax over the patches of an image, or each patch's own sigmoid.",
        WEIGHTS,
        paper="softmax",
    )
    pool: str = option("raw", "Weigh the patches as they are, or as unit vectors.", POOLS)
    renormalize: bool = option(True, "Contrast cosines of what was pooled; false: inner products.")

    def _begin(self) -> None:
        if self.learn_weight_scale:
            self._own_scale("weight_scale", self.weight_scale)

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return pacl_loss(
            **call, weight_scale=self.value("weight_scale"), weights=self.weights, pool=self.pool,
            renormalize=self.renormalize,
        )  # fmt: skip

    def _align(self, pairs: Pairs) -> Alignment:
        if pairs.text_global is None:
            raise ValueError("text_global: expected the captions' vectors [B, D], found None")
        caption, scale = pairs.text_global[:, None, :], self.value("weight_scale")
        if self.weights == "softmax":
            weights = sparse_similarity(
                pairs.patches, caption, patch_mask=pairs.patch_valid, normalizer="softmax",
                similarity="cosine", softmax_scale=scale,
            )[:, 0]  # fmt: skip
        else:
            cosine = (unit_rows(pairs.patches) @ unit_rows(caption).transpose(0, 2, 1))[:, :, 0]
            weights = pairs.patch_valid / (1 + np.exp(-scale * cosine))
        note = f"{self.weights.capitalize()} of {scale:.3g} × cosine."
        return Alignment(weights, self.name, "PACL: weights of the whole caption", (note,))

    def pair_scores(self, features: LateFeatures) -> LateScores:
        """The cosine (or product) of a caption with the patches it weighs: the same both ways."""
        texts = unit_rows_float64(features.text_global, "text_global")
        scale = self.value("weight_scale")

        def score(i: int, first: int, last: int) -> np.ndarray:
            unit = unit_rows_float64(features.patches[i], "patches")
            logits = scale * (texts[first:last] @ unit.T)  # [captions, P]
            if self.weights == "sigmoid":
                weights = np.exp(-np.logaddexp(0, -logits))
            else:
                weights = np.exp(logits - logits.max(axis=1, keepdims=True))
                weights /= weights.sum(axis=1, keepdims=True)
            pooled = weights @ (unit if self.pool == "unit" else features.patches[i])
            if self.renormalize:
                pooled = unit_rows_float64(pooled, "the weighted patches")
            return (pooled * texts[first:last]).sum(axis=1)

        return features.scores(score, entries=max(features.patches.shape[1:]))

    def flop(self, sizes: Sizes) -> int:
        """In terms of the images' Gram matrices (csparc/loss/gram/pacl.h)."""
        return sizes.B**2 * through_gram_flop(sizes.P, sizes.D) + gram_flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return own * sizes.B * 8 * sizes.P * sizes.D

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("pacl")]
