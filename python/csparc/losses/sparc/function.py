"""The SPARC objective: a global contrastive part and a local, fine-grained one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._scalars import choice, flag, scale_number, weight_number
from csparc.losses._batch import Batch
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses._precision import read_rounded, refuse_rounding_of_wide
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import AlignOptions

INPUTS = ("patches", "tokens", "image_global", "text_global")
ARRAYS = (*INPUTS, "extra_text_global")
REDUCTIONS = ("sample", "token")
TEXT_POOLS = ("masked", "unmasked")
LOCAL_PATCHES = ("own", "shuffled")
PLAIN = frozenset((float, int, bool, str, NoneType))
NO_GRADIENTS = (None,) * len(ARRAYS)


@gives_like
def sparc_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    image_global: ArrayLike | None = None,
    text_global: ArrayLike | None = None,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 1 / 0.07,
    local_logit_scale: float | None = None,
    global_weight: float = 0.5,
    local_weight: float = 1.0,
    normalizer: str = "minmax_sparse",
    similarity: str = "dot",
    sigma: float | None = None,
    softmax_scale: float = 1.0,
    reduction: str = "sample",
    text_pool: str = "masked",
    degenerate: str = "uniform",
    detach_weights: bool = False,
    local_patches: str = "own",
    precision: str = "fp32",
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    return_weights: bool = False,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """SPARse fine-grained Contrastive alignment (arXiv 2401.09865, equations 1 to 7).

    ``loss = global_weight * global_loss + local_weight * local_loss``. The global part is
    :func:`clip_loss` of the global vectors. The local part, for each sample alone: every token
    gathers the patches it matches (:func:`sparse_similarity`, :func:`group_patches`), and each
    gathered vector is contrasted with the tokens of the same caption, and back::

        c_j = sum_p a_jp patches_p      U_jk = scale cos(c_j, token_k)
        local_loss = mean over samples of 1/(2L) sum_j [ lse_k U_jk - U_jj + lse_k U_kj - U_jj ]

    Parameters
    ----------
    patches : [B, P, D]
        Embedded patches in the shared space, not normalised.
    tokens : [B, L, D]
        Embedded tokens, likewise.
    image_global, text_global : [B, D], optional
        The pair's global vectors. Left out, they are the means of the valid patches and tokens,
        and their gradient flows there.
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing, whatever it
        holds, NaN included, and its gradient is exactly 0.
    logit_scale
        The number that multiplies the cosines, as open_clip passes it: the exponential of the
        parameter that models store, one over the temperature. Its gradient is of this number.
    local_logit_scale
        The same for the local part alone; None: shared.
    normalizer, similarity, sigma, softmax_scale, degenerate
        How weights follow from similarities: see :func:`sparse_similarity`.
    reduction
        ``"sample"``: mean over each caption's tokens, then over all B samples (equation 6).
        ``"token"``: mean over all tokens of the batch (the paper's listing).
    text_pool
        ``"masked"``: a text vector left out is the mean of the valid tokens. ``"unmasked"``: of
        all positions, as the paper's listing has it; padding then takes part in the global loss.
    detach_weights
        Treat the alignment weights as constants in the gradient.
    local_patches
        ``"shuffled"``, a control: the local part gives the tokens of sample i the patches of sample
        i + 1, of the last the first's, and gradients, masks and ``weights`` are of the patches
        used. The global part stays as it is; one sample alone has its own patches.
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`: of the global part; the
        local part contrasts no pair with another.
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, as in :func:`clip_loss`: of the global
        part.
    precision
        ``"fp32"`` (or ``"float32"``): products in the type of the arrays. ``"bf16"``
        (``"bfloat16"``): products of the local loss on operands rounded to bfloat16, with sums,
        weights, thresholds and softmax in float32; faster where the processor multiplies bfloat16,
        the same numbers elsewhere. At the default scale and widths from 64 on, gradients of the
        local loss are then within 2e-2 (relative norm) of those of the rounded inputs; steeper
        logits and narrow vectors lose more. docs/kernels.md has what was measured. Not for float64
        arrays.
    return_weights
        Also return ``weights`` [B, L, P].
    grad
        Also return ``grads``: ``patches``, ``tokens``, ``logit_scale``, and where given
        ``image_global``, ``text_global``, ``extra_text_global``, ``local_logit_scale``;
        ``softmax_scale`` with that normalizer. Arrays come in their argument's type, float32 for
        16-bit ones.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        A part whose weight is 0 is measured and adds nothing to loss or gradients. A sample without
        a valid token or patch is skipped in the local part and still counted in B. A batch or
        caption of size 0 gives loss 0.

    Raises
    ------
    ValueError, TypeError
        Shapes, types or options that do not fit; the message names the argument, what was expected
        and what was found.

    Notes
    -----
    4 L P D + 2 L² D floating-point operations a sample, three times that with gradients, for valid
    rows only. Computed in float64 if any input is float64, else in float32; ``patches`` and
    ``tokens`` that come in bfloat16 are then read one sample at a time, each for itself, without a
    float32 copy of the array. The same bits for any number of threads.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6, softmax_scale from -1e6 to 1e6,
    weights from -1000 to 1000 and sigma from 0 to 1; a number beyond is a ValueError.
    """
    given = (
        local_logit_scale, global_weight, local_weight, normalizer, similarity, sigma,
        softmax_scale, reduction, text_pool, degenerate, detach_weights, local_patches, precision,
    )  # fmt: skip
    read = _read_once if PLAIN.issuperset(map(type, given)) else read_options
    return sparc_with(
        read(*given), patches, tokens, image_global, text_global, text_mask, patch_mask,
        logit_scale, groups, same_group, extra_text_global, return_weights, grad, out_grads,
    )  # fmt: skip


def sparc_with(
    options: Options,
    patches: ArrayLike,
    tokens: ArrayLike,
    image_global: ArrayLike | None,
    text_global: ArrayLike | None,
    text_mask: ArrayLike | None,
    patch_mask: ArrayLike | None,
    logit_scale: float,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    return_weights: bool = False,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """`sparc_loss` with its options read already."""
    inputs = real_inputs(
        optional=("image_global", "text_global", "extra_text_global"),
        as_bits=("patches", "tokens"), patches=patches, tokens=tokens, image_global=image_global,
        text_global=text_global, extra_text_global=extra_text_global,
    )  # fmt: skip
    refuse_rounding_of_wide(options.rounded, inputs.dtype)
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = scale_number(logit_scale, "logit_scale")
    local_scale = scale if options.local_scale is None else options.local_scale
    buffers = None
    if flag(grad, "grad") or out_grads is not None:
        buffers = GradientBuffers(inputs, list(inputs.arrays), out_grads)
    weights = None
    if flag(return_weights, "return_weights"):
        weights = np.empty((batch.B, batch.L, batch.P), batch.dtype)
    sums = np.empty(6)
    _core.sparc(
        *map(inputs.real, ARRAYS), batch.patch_valid, batch.text_valid, *marked.for_core,
        *options.for_core, scale, local_scale, options.global_weight, options.local_weight,
        inputs.bits("patches"), inputs.bits("tokens"), sums, weights,
        *(NO_GRADIENTS if buffers is None else map(buffers.get, ARRAYS)),
    )  # fmt: skip
    global_loss, local_loss, kept_fraction, *dscales = sums.tolist()
    return LossOutput(
        options.global_weight * global_loss + options.local_weight * local_loss,
        parts={"global_loss": global_loss, "local_loss": local_loss},
        kept_fraction=kept_fraction,
        weights=weights,
        grads=None if buffers is None else _gradients(buffers, options, *dscales),
    )


class Options(NamedTuple):
    """The options of a call, checked, and those of the core as it takes them."""

    local_scale: float | None
    global_weight: float
    local_weight: float
    softmax: bool
    rounded: bool
    for_core: tuple[int | float, ...]


def read_options(
    local_logit_scale: Any,
    global_weight: Any,
    local_weight: Any,
    normalizer: Any,
    similarity: Any,
    sigma: Any,
    softmax_scale: Any,
    reduction: Any,
    text_pool: Any,
    degenerate: Any,
    detach_weights: Any,
    local_patches: Any,
    precision: Any,
) -> Options:
    """Check the options of `sparc_loss`, in the order of its arguments."""
    rounded = read_rounded(precision)
    align = AlignOptions(normalizer, similarity, sigma, softmax_scale, degenerate).for_core()
    for_core = (
        *align,
        flag(detach_weights, "detach_weights"),
        choice(reduction, "reduction", REDUCTIONS),
        choice(text_pool, "text_pool", TEXT_POOLS),
        choice(local_patches, "local_patches", LOCAL_PATCHES),
        rounded,
    )
    local = None
    if local_logit_scale is not None:
        local = scale_number(local_logit_scale, "local_logit_scale")
    return Options(
        local,
        weight_number(global_weight, "global_weight"),
        weight_number(local_weight, "local_weight"),
        normalizer == "softmax",
        rounded,
        for_core,
    )


# Checking the options costs as much as a small loss. By type as well: True equals 1.0.
_read_once = lru_cache(maxsize=64, typed=True)(read_options)


def _gradients(
    buffers: GradientBuffers,
    options: Options,
    dscale: float,
    dlocal_scale: float,
    dsoftmax_scale: float,
) -> dict[str, np.ndarray | float]:
    softmax = {"softmax_scale": dsoftmax_scale} if options.softmax else {}
    if options.local_scale is None:
        return buffers.finished(logit_scale=dscale + dlocal_scale, **softmax)
    return buffers.finished(logit_scale=dscale, local_logit_scale=dlocal_scale, **softmax)
