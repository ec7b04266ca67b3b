"""GLoRIA: each word attends to the patches of an image, for every pair of the batch; and CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._scalars import choice, flag, scale_number, weight_number
from csparc.losses._batch import GLOBAL_PART, Batch, contrast_globals
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.base import Loss, Part
from csparc.losses.costs import (
    Sizes,
    Stage,
    contrast_flop,
    forward_contrast_flop,
    gram_flop,
    through_gram_flop,
)
from csparc.losses.explains import Alignment, Pairs, if_trained, softmax
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput

TILE = (0, 0)
"""Images and captions of one tile; 0: as the core finds best."""
ATTENTIONS = ("regions", "words_then_regions")
POOLINGS = ("sum", "mean")
SCALES = ("attention_scale", "pool_scale", "local_logit_scale")


@gives_like
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
    extra_text_global: ArrayLike | None = None,
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
        the caption, then, times k1, over the patches: the public code, which does not divide by
        ``sqrt(D)`` there: tokens times ``sqrt(D)`` give its numbers.
    pooling
        ``"sum"`` as above; ``"mean"`` takes ``ln L / k2`` off, the bonus of long captions.
    divide_by_pool_scale
        False: z without the factor 1/k2 (the public code).
    global_weight, local_weight
        What the parts are multiplied by in ``loss``.
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`, for both parts.
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, as in :func:`clip_loss`: of the global
        part.
    grad
        Also return ``grads``: the arrays given and the four scales.
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

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6 and weights from -1000 to 1000; a
    number beyond is a ValueError.
    Where the patches a word attends to cancel to less than a hundredth of their lengths, what they
    add up to is formed itself, at 2 P D operations for each such word and image;
    docs/objectives/gloria.md has the digits of float32 that are left.
    """
    inputs = real_inputs(
        optional=("extra_text_global",), patches=patches, tokens=tokens, image_global=image_global,
        text_global=text_global, extra_text_global=extra_text_global,
    )  # fmt: skip
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = scale_number(logit_scale, "logit_scale")
    values = (attention_scale, pool_scale, local_logit_scale)
    scales = [scale_number(value, name) for name, value in zip(SCALES, values)]
    global_weight = weight_number(global_weight, "global_weight")
    local_weight = weight_number(local_weight, "local_weight")
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
    local, dattention_scale, dpool_scale, dlocal_scale = out.tolist()
    grads = buffers.finished(
        logit_scale=dscale, attention_scale=dattention_scale, pool_scale=dpool_scale,
        local_logit_scale=dlocal_scale,
    )  # fmt: skip
    return LossOutput(
        global_weight * global_loss + local_weight * local,
        parts={"global_loss": global_loss, "local_loss": local},
        grads=grads,
    )


@register
@dataclass(frozen=True, repr=False)
class GloriaLoss(Loss):
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

    name = "gloria"
    label = "GLoRIA"
    inputs = ("patches", "tokens", "image_global", "text_global")
    parts = (
        GLOBAL_PART,
        Part("local_loss", "Local loss", "words and the patches they attend to, over a batch"),
    )
    initial_logit_scale = 10.0
    takes_extra_texts = True

    attention_scale: float = option(
        4.0,
        "k1, multiplies the similarities by which words attend to patches.",
        check=scale_number,
        code="fixed at 4",
    )
    pool_scale: float = option(
        5.0,
        "k2, by which the words of a caption are pooled.",
        check=scale_number,
        code="fixed at 5",
    )
    local_logit_scale: float = option(
        10.0,
        "Where k3, the scale of the local contrast, starts; it is learned.",
        check=scale_number,
        code="fixed at 10",
    )
    learn_attention_scales: bool = option(False, "Learn k1 and k2 too.", code="none is learned")
    attention: str = option(
        "regions",
        "Softmax over the patches, or first over the caption's words and then over the patches.",
        ATTENTIONS,
        paper="over the patches",
        code="words, then patches",
    )
    pooling: str = option(
        "sum",
        "Sum over words in the pooled similarity, or mean: without a bonus for long captions.",
        POOLINGS,
        code="sum",
    )
    divide_by_pool_scale: bool = option(
        True,
        "Keep the pooled similarity on the scale of a cosine, by 1/k2.",
        paper="by 1/k2",
        code="without",
    )
    global_weight: float = option(
        1.0, "What the global part is multiplied by.", check=weight_number, paper="1"
    )
    local_weight: float = option(
        1.0, "What the local part is multiplied by.", check=weight_number, paper="1"
    )

    def _begin(self) -> None:
        for name in SCALES if self.learn_attention_scales else ("local_logit_scale",):
            self._own_scale(name, getattr(self, name))

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return gloria_loss(
            **call, **{name: self.value(name) for name in SCALES}, attention=self.attention,
            pooling=self.pooling, divide_by_pool_scale=self.divide_by_pool_scale,
            global_weight=self.global_weight, local_weight=self.local_weight,
        )  # fmt: skip

    def local_scale(self, logit_scale: float) -> float:
        return self.value("local_logit_scale")

    def _align(self, pairs: Pairs) -> Alignment:
        k1, width = self.value("attention_scale"), pairs.patches.shape[2] ** 0.5
        title = "GLoRIA: attention of each word"
        if self.attention == "regions":
            weights = pairs.weights(normalizer="softmax", softmax_scale=k1 / width)
        else:
            title += ", after a softmax over the words"
            similarity = pairs.tokens @ pairs.patches.transpose(0, 2, 1) / width
            words = softmax(similarity, pairs.valid, axis=1)
            weights = softmax(k1 * words, pairs.valid, axis=2)
        return if_trained(Alignment(weights, self.name, title), self.local_weight)

    def flop(self, sizes: Sizes) -> int:
        """For every word what PACL does for a caption (csparc/loss/gram/gloria.h)."""
        words = sizes.L * through_gram_flop(sizes.P, sizes.D)
        return contrast_flop(sizes) + sizes.B**2 * words + gram_flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        local = own * sizes.B * 8 * sizes.L * sizes.P * sizes.D
        return forward_contrast_flop(sizes, own) + local

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("contrastive"), Stage("gloria")]
