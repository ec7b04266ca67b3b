"""PACL: patches weighted by their similarity to a caption, for every pair of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import check_axes, real_inputs, valid_mask
from csparc._scalars import choice, flag, positive
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import LearnedLoss
from csparc.losses.explains import Alignment, Pairs, unit_rows
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import sparse_similarity

TILE = (0, 0)
"""Images and captions of one tile; 0: as the core finds best."""
WEIGHTS = ("softmax", "sigmoid")
POOLS = ("raw", "unit")


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
        Ids [B] of pairs that show or say the same, as in :func:`clip_loss`.
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
    """
    inputs = real_inputs(patches=patches, text_global=text_global)
    arrays = inputs.arrays
    sizes = check_axes(arrays, {"patches": "BPD", "text_global": "BD"})
    valid = valid_mask(patch_mask, "patch_mask", sizes["B"], sizes["P"])
    marked = read_groups(groups, same_group, sizes["B"]).for_core
    options = (
        positive(logit_scale, "logit_scale"),
        positive(weight_scale, "weight_scale"),
        choice(weights, "weights", WEIGHTS),
        choice(pool, "pool", POOLS),
        flag(renormalize, "renormalize"),
        *TILE,
    )
    out = np.zeros(3)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    _core.pacl(*arrays.values(), valid, *marked, *options, out, *map(buffers.get, arrays))
    grads: dict[str, Any] = {}
    if buffers:
        grads = {**buffers.finished(), "logit_scale": float(out[1]), "weight_scale": float(out[2])}
    return LossOutput(loss=float(out[0]), global_loss=0.0, local_loss=float(out[0]), grads=grads)


class PaclLoss(LearnedLoss):
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

    inputs = ("patches", "text_global")

    def __init__(
        self,
        weight_scale: float = 1.0,
        learn_weight_scale: bool = False,
        weights: str = "softmax",
        pool: str = "raw",
        renormalize: bool = True,
    ) -> None:
        super().__init__()
        choice(weights, "weights", WEIGHTS)
        choice(pool, "pool", POOLS)
        self._options = {
            "weights": weights, "pool": pool, "renormalize": flag(renormalize, "renormalize")
        }  # fmt: skip
        self.weight_scale = positive(weight_scale, "weight_scale")
        if flag(learn_weight_scale, "learn_weight_scale"):
            self._own_scale("weight_scale", self.weight_scale)

    def config(self) -> dict[str, Any]:
        """What recreates this object: its name and options, as JSON holds them."""
        return {
            "loss": "pacl",
            "weight_scale": self.weight_scale,
            "learn_weight_scale": "weight_scale" in self.parameters,
            **self._options,
        }

    def _scale(self) -> float:
        return self.value("weight_scale") if self.parameters else self.weight_scale

    def __call__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike | None = None,
        *,
        text_global: ArrayLike,
        image_global: ArrayLike | None = None,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float = 1 / 0.07,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As :func:`pacl_loss`; tokens, their mask and image_global are accepted, not looked at."""
        return pacl_loss(
            patches,
            text_global,
            patch_mask=patch_mask,
            logit_scale=logit_scale,
            weight_scale=self._scale(),
            **self._options,
            groups=groups,
            same_group=same_group,
            grad=grad,
            out_grads=out_grads,
        )

    def _align(self, pairs: Pairs) -> Alignment:
        if pairs.text_global is None:
            raise ValueError("text_global: expected the captions' vectors [B, D], found None")
        caption, kind = pairs.text_global[:, None, :], self._options["weights"]
        if kind == "softmax":
            weights = sparse_similarity(
                pairs.patches, caption, patch_mask=pairs.patch_valid, normalizer="softmax",
                similarity="cosine", softmax_scale=self._scale(),
            )[:, 0]  # fmt: skip
        else:
            cosine = (unit_rows(pairs.patches) @ unit_rows(caption).transpose(0, 2, 1))[:, :, 0]
            weights = pairs.patch_valid / (1 + np.exp(-self._scale() * cosine))
        title = "PACL: weights of the whole caption"
        return Alignment(
            weights, "pacl", title, (f"{kind.capitalize()} of {self._scale():.3g} × cosine.",)
        )
