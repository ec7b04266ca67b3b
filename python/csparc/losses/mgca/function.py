"""MGCA: contrast of global vectors, cross-attended tokens of each pair, and prototypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._scalars import choice, scale_number, weight_number, whole_number
from csparc.losses._batch import Batch, contrast_globals
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses.mgca.attention import Projections, labelled
from csparc.losses.result import LossOutput

ATTENTIONS = ("mha", "free")
CONVENTIONS = {"paper": (1.0, 1.0, 1.0), "code": (2.0, 2.0, 1.0)}
"""What the global, token and prototype terms are multiplied by."""
PARTS = ("global_loss", "local_loss", "prototype_loss")
LOCAL = ("patches", "tokens")
ASSIGNED = ("image_global", "text_global", "prototypes")


@gives_like
def mgca_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    image_global: ArrayLike,
    text_global: ArrayLike,
    prototypes: ArrayLike,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    word_attention: Mapping[str, ArrayLike] | None = None,
    patch_attention: Mapping[str, ArrayLike] | None = None,
    attention: str = "mha",
    heads: int = 1,
    logit_scale: float = 1 / 0.07,
    local_logit_scale: float = 1 / 0.1,
    prototype_scale: float = 1 / 0.2,
    weights: Sequence[float] | np.ndarray = (1.0, 1.0, 1.0),
    convention: str = "paper",
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    extra_text_global: ArrayLike | None = None,
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Multi-granularity cross-modal alignment (MGCA, arXiv 2210.06044).

    The sum of ``weights`` times three terms::

        global:     CLIP(image_global, text_global, logit_scale)
        tokens:     1/(2B) sum_i [ words attend to the patches of their image, patches to
                    the words ]; for x attending to y: o = attention of x over y,
                    E = local_logit_scale cos(x, o) [N, N],
                    1/(2N) [ CE(E) + CE(E^T) ]
        prototypes: -1/(2B) sum_i [ q(image_i) . ln p(text_i) + q(text_i) . ln p(image_i) ],
                    p = softmax(prototype_scale cos), q = Sinkhorn assignments, held constant

    Parameters
    ----------
    patches, tokens : [B, P, D], [B, L, D]
        Embedded patches and tokens; normalised here.
    image_global, text_global : [B, D]
        Global vectors; normalised here.
    prototypes : [K, D]
        Used as given; whoever owns them keeps their rows at unit length (``MgcaLoss`` does).
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing. A sample
        without valid tokens or patches has no token term; B is kept.
    word_attention, patch_attention : dict
        With ``attention="mha"``: the projections with which words attend to patches, and
        patches to words: arrays ``query``, ``key``, ``value`` [H, D], ``out`` [D, H], and
        optionally ``query_bias``, ``key_bias``, ``value_bias`` [H], ``out_bias`` [D].
    attention
        ``"mha"``: as said, in ``heads`` heads. ``"free"``: softmax of ``local_logit_scale`` times
        the cosines, without parameters (the default path of the public code).
    logit_scale, local_logit_scale, prototype_scale
        Scales of the three terms.
    weights
        Of the three terms.
    convention
        ``"paper"``: every term is a mean over its two directions. ``"code"``: the first two are
        sums, as in the public code.
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`: of the first term. The
        others have no negatives in the batch: tokens are contrasted within their pair, and
        prototypes are assigned over the whole batch, duplicates included.
    extra_text_global : [N, D], optional
        Vectors of captions without a picture, as in :func:`clip_loss`: of the first
        term.
    grad
        Also return ``grads``: the arrays given, three scales, and with projections
        ``grads["word_attention"]["query"]`` and so on.
    out_grads
        Arrays to write the gradients of array arguments to, by name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``global_loss``, ``local_loss`` (the token term) and ``prototype_loss``, unweighted and as
        the paper counts them.

    Notes
    -----
    Per sample 24 (L + P) D H + 24 L P H + 6 (L² + P²) D floating-point operations with gradients,
    and 12 B K D + 8 B² D for the rest. The token term keeps one sample a thread; the assignments
    take 4 B K numbers. The same bits for any number of threads.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6 and weights from -1000 to 1000; a
    number beyond is a ValueError.
    """
    heads = whole_number(heads, "heads", low=1)
    kind = ATTENTIONS[choice(attention, "attention", ATTENTIONS)]
    asked = {"word_attention": word_attention, "patch_attention": patch_attention}
    if kind == "free":
        for name, given in asked.items():
            if given is not None:
                raise ValueError(f"{name}: expected None with attention='free', found projections")
        asked = {}
    entries: dict[str, object] = {}
    for name, given in asked.items():
        entries |= labelled(name, given)
    inputs = real_inputs(
        optional=("extra_text_global",), patches=patches, tokens=tokens, image_global=image_global,
        text_global=text_global, prototypes=prototypes, extra_text_global=extra_text_global,
        **entries,
    )  # fmt: skip
    projections = {name: Projections(name, given, heads, inputs) for name, given in asked.items()}
    arrays = {name: array for name, array in inputs.arrays.items() if name not in entries}
    inputs = replace(inputs, arrays=arrays)
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scales = [
        scale_number(logit_scale, "logit_scale"),
        scale_number(local_logit_scale, "local_logit_scale"),
        scale_number(prototype_scale, "prototype_scale"),
    ]
    factors = _factors(weights, convention)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    whole = contrast_globals(batch, scales[0], factors[0], buffers, marked)
    local = _align_tokens(batch, projections, heads, scales[1], factors[1], buffers)
    shared = _assign_prototypes(batch, scales[2], factors[2], buffers)
    of_projections = {}
    if buffers:
        of_projections = {name: found.finished() for name, found in projections.items()}
    grads = buffers.finished(
        logit_scale=whole[1], local_logit_scale=local[1], prototype_scale=shared[1],
        **of_projections,
    )  # fmt: skip
    parts = (whole[0], local[0], shared[0])
    return LossOutput(
        sum(factor * part for factor, part in zip(factors, parts)),
        parts=dict(zip(PARTS, parts)),
        grads=grads,
    )


def _factors(weights: Sequence[float] | np.ndarray, convention: str) -> list[float]:
    """What each term is multiplied by."""
    names = tuple(CONVENTIONS)
    of_convention = CONVENTIONS[names[choice(convention, "convention", names)]]
    several = isinstance(weights, np.ndarray) and weights.ndim == 1
    if not (several or isinstance(weights, (list, tuple))) or len(weights) != 3:
        raise ValueError(
            "weights: expected three numbers, for the global, the token and the prototype term, "
            f"found {weights!r}"
        )
    given = [weight_number(weight, f"weights[{place}]") for place, weight in enumerate(weights)]
    return [weight * factor for weight, factor in zip(given, of_convention)]


def _align_tokens(
    batch: Batch,
    projections: Mapping[str, Projections],
    heads: int,
    scale: float,
    factor: float,
    buffers: GradientBuffers,
) -> tuple[float, float]:
    """(loss, gradient of the scale) of the token term; other gradients go to their buffers."""
    none = [None] * 4
    found = [projections.get(name) for name in ("word_attention", "patch_attention")]
    given = [array for p in found for array in (none if p is None else p.arrays)]
    written = [array for p in found for array in (none if p is None else p.gradients)]
    if not buffers:
        written = [None] * 8
    out = np.zeros(2)
    _core.mgca_tokens(
        *(batch.arrays[name] for name in LOCAL), batch.patch_valid, batch.text_valid, *given,
        heads, scale, factor, out,
        *map(buffers.get, LOCAL), *written,
    )  # fmt: skip
    return float(out[0]), float(out[1])


def _assign_prototypes(
    batch: Batch, scale: float, factor: float, buffers: GradientBuffers
) -> tuple[float, float]:
    """(loss, gradient of the scale) of the prototype term; adds to the gradients of the globals."""
    arrays = [batch.arrays[name] for name in ASSIGNED]
    targets = np.empty((2, batch.B, len(arrays[2])), batch.dtype)
    out = np.zeros(2)
    if not buffers:
        _core.mgca_prototypes(*arrays, scale, factor, out, *targets, None, None, None)
        return float(out[0]), 0.0
    dimage, dtext = np.zeros_like(arrays[0]), np.zeros_like(arrays[1])
    dprototypes = buffers["prototypes"]
    dprototypes[...] = 0
    _core.mgca_prototypes(*arrays, scale, factor, out, *targets, dimage, dtext, dprototypes)
    buffers["image_global"][...] += dimage
    buffers["text_global"][...] += dtext
    return float(out[0]), float(out[1])
