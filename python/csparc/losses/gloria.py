"""GLoRIA: each word attends to the patches of an image, for every pair of the batch; and CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._scalars import choice, flag, number, positive
from csparc.losses._batch import Batch, contrast_globals
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import LearnedLoss
from csparc.losses.explains import Alignment, Pairs, if_trained, softmax
from csparc.losses.result import LossOutput

TILE = (0, 0)
"""Images and captions of one tile; 0: as the core finds best."""
ATTENTIONS = ("regions", "words_then_regions")
POOLINGS = ("sum", "mean")
SCALES = ("attention_scale", "pool_scale", "local_logit_scale")


def gloria_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    image_global: ArrayLike,
    text_global: ArrayLike,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 10.0,
    attention_scale: float = 4.0,
    pool_scale: float = 5.0,
    local_logit_scale: float = 10.0,
    attention: str = "regions",
    pooling: str = "sum",
    divide_by_pool_scale: bool = True,
    global_weight: float = 1.0,
    local_weight: float = 1.0,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Contrast images and captions as wholes, and through word-wise attention (GLoRIA, ICCV 2021).

    ``loss = global_weight CLIP(globals) + local_weight local_loss``. For image i with patches
    ``v_p``, caption j with words ``t_r`` and k1, k2, k3 the three local scales::

        a_rp = softmax over p of k1 t_r . v_p / sqrt(D)        c_r = sum_p a_rp v_p
        z_ij = 1/k2 ln sum_r exp(k2 cos(t_r, c_r))
        local_loss = 1/(2B) sum_i [ lse_j S_ij - S_ii  +  lse_j S_ji - S_ii ],  S = k3 z

    Parameters
    ----------
    patches, tokens : [B, P, D], [B, L, D]
        Embedded patches and tokens, not normalised: the length of either matters to the attention.
    image_global, text_global : [B, D]
        Global vectors; normalised here.
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing. A caption
        without words is neither a positive nor a negative of the local part, its image remains a
        negative; likewise for an image without patches.
    logit_scale
        Scale of the global part.
    attention_scale, pool_scale, local_logit_scale
        k1, k2, k3.
    attention
        ``"regions"``: softmax over the patches. ``"words_then_regions"``: first over the words of
        the caption, then, times k1, over the patches (the public code).
    pooling
        ``"sum"`` as above; ``"mean"`` takes ``ln L / k2`` off, the bonus of long captions.
    divide_by_pool_scale
        False: z without the factor 1/k2 (the public code).
    global_weight, local_weight
        What the parts are multiplied by in ``loss``.
    groups, same_group
        Ids [B] of pairs that show or say the same, as in :func:`clip_loss`, for both parts.
    grad
        Also return ``grads``: the four arrays and the four scales.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``global_loss`` and ``local_loss`` unweighted. One pair alone has loss exactly 0.

    Notes
    -----
    With Gram matrices of the images, B² (8 L P D + 5 L P²) floating-point operations for value and
    gradients of the local part, for valid rows only; nothing of size B x B is stored. The same bits
    for any number of threads.
    """
    inputs = real_inputs(
        patches=patches, tokens=tokens, image_global=image_global, text_global=text_global
    )
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = positive(logit_scale, "logit_scale")
    values = (attention_scale, pool_scale, local_logit_scale)
    scales = [positive(value, name) for name, value in zip(SCALES, values)]
    global_weight = number(global_weight, "global_weight")
    local_weight = number(local_weight, "local_weight")
    options = (
        choice(attention, "attention", ATTENTIONS),
        choice(pooling, "pooling", POOLINGS),
        flag(divide_by_pool_scale, "divide_by_pool_scale"),
    )
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    global_loss, dscale = contrast_globals(batch, scale, global_weight, buffers, marked)
    out = np.zeros(4)
    _core.gloria(
        batch.arrays["patches"], batch.arrays["tokens"], batch.patch_valid, batch.text_valid,
        *marked.for_core, *scales, *options, local_weight, *TILE, out,
        buffers.get("patches"), buffers.get("tokens"),
    )  # fmt: skip
    grads: dict[str, Any] = {}
    if buffers:
        grads = {**buffers.finished(), "logit_scale": dscale}
        grads.update(zip(SCALES, map(float, out[1:])))
    local = float(out[0])
    return LossOutput(
        loss=global_weight * global_loss + local_weight * local,
        global_loss=global_loss,
        local_loss=local,
        grads=grads,
    )


class GloriaLoss(LearnedLoss):
    """:func:`gloria_loss` as an object a trainer can hold.

    Parameters
    ----------
    attention_scale, pool_scale, local_logit_scale
        Where the local scales start. ``local_logit_scale`` is learned.
    learn_attention_scales
        Learn the first two as well.
    attention, pooling, divide_by_pool_scale, global_weight, local_weight
        As in the function.
    """

    inputs = ("patches", "tokens", "image_global", "text_global")
    initial_logit_scale = 10.0

    def __init__(
        self,
        attention_scale: float = 4.0,
        pool_scale: float = 5.0,
        local_logit_scale: float = 10.0,
        learn_attention_scales: bool = False,
        attention: str = "regions",
        pooling: str = "sum",
        divide_by_pool_scale: bool = True,
        global_weight: float = 1.0,
        local_weight: float = 1.0,
    ) -> None:
        super().__init__()
        choice(attention, "attention", ATTENTIONS)
        choice(pooling, "pooling", POOLINGS)
        self._options = {
            "attention": attention,
            "pooling": pooling,
            "divide_by_pool_scale": flag(divide_by_pool_scale, "divide_by_pool_scale"),
            "global_weight": number(global_weight, "global_weight"),
            "local_weight": number(local_weight, "local_weight"),
        }
        values = (attention_scale, pool_scale, local_logit_scale)
        self._start = {name: positive(value, name) for name, value in zip(SCALES, values)}
        self._learn_all = flag(learn_attention_scales, "learn_attention_scales")
        for name in SCALES if self._learn_all else ("local_logit_scale",):
            self._own_scale(name, self._start[name])

    def config(self) -> dict[str, Any]:
        """What recreates this object: its name and options, as JSON holds them."""
        return {
            "loss": "gloria", **self._start, "learn_attention_scales": self._learn_all,
            **self._options,
        }  # fmt: skip

    def _scales_now(self) -> dict[str, float]:
        return {
            name: self.value(name) if name in self.parameters else start
            for name, start in self._start.items()
        }

    def __call__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        *,
        image_global: ArrayLike,
        text_global: ArrayLike,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float = 10.0,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As :func:`gloria_loss`."""
        return gloria_loss(
            patches, tokens, image_global=image_global, text_global=text_global,
            text_mask=text_mask, patch_mask=patch_mask, logit_scale=logit_scale,
            **self._scales_now(), **self._options, groups=groups, same_group=same_group, grad=grad,
            out_grads=out_grads,
        )  # fmt: skip

    def _align(self, pairs: Pairs) -> Alignment:
        k1, width = self._scales_now()["attention_scale"], pairs.patches.shape[2] ** 0.5
        title = "GLoRIA: attention of each word"
        if self._options["attention"] == "regions":
            weights = pairs.weights(normalizer="softmax", softmax_scale=k1 / width)
        else:
            title += ", after a softmax over the words"
            similarity = pairs.tokens @ pairs.patches.transpose(0, 2, 1) / width
            words = softmax(similarity, pairs.valid, axis=1)
            weights = softmax(k1 * words, pairs.valid, axis=2)
        return if_trained(Alignment(weights, "gloria", title), self._options["local_weight"])
