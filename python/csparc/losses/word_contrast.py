"""The word contrast: words against pictures that lack them, and back. csparc's own, of no paper."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._scalars import choice, scale_number, whole_number
from csparc.losses._batch import Batch
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import read_groups
from csparc.losses._precision import read_rounded, refuse_rounding_of_wide
from csparc.losses._words import distinct_rows, negative_sets, read_words
from csparc.losses.result import LossOutput

POOLS = ("lse", "max", "softmax")
ROWS = ("patches", "tokens")


@gives_like
def word_contrast_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    word_ids: ArrayLike,
    *,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 1 / 0.07,
    pool: str = "lse",
    pool_scale: float = 5.0,
    words: ArrayLike | None = None,
    lacks: ArrayLike | None = None,
    negatives: int | None = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    precision: str = "fp32",
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Contrast every word with the pictures that lack it, and every picture with words it lacks.

    An objective of csparc's own: no paper has it. With unit vectors of tokens ``t`` and of the
    patches ``v_ip`` of picture i, and S = logit_scale::

        z_ti = 1/pool_scale ln mean over p of exp(pool_scale t . v_ip)
        N_t  = pictures of the batch none of whose captions has the word of t
        M_i  = tokens of the batch whose word picture i lacks
        loss = mean over tokens t of caption i of
               1/2 [ ln(1 + sum_{j in N_t} exp S (z_tj - z_ti))
                   + ln(1 + sum_{u in M_i} exp S (z_ui - z_ti)) ]

    Parameters
    ----------
    patches, tokens : [B, P, D], [B, L, D]
        Embedded patches and tokens; normalised here. A zero vector has cosine 0.
    word_ids : whole numbers [B, L]
        Equal for equal words, negative for a token that is no word.
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing. A picture
        without a valid patch is neither positive nor negative; the words of its caption remain
        negatives of other pictures.
    logit_scale
        Multiplies the pooled cosines; its gradient is of this number.
    pool, pool_scale
        ``"lse"``: as above; a small scale covers objects, a large one points. ``"max"``: the
        largest cosine. ``"softmax"``: their mean weighted by a softmax of ``pool_scale`` cosine.
    words : [B, L], optional
        The tokens that take part: bools, 0/1, or lengths [B]; all words by default. The others
        still say what a picture has.
    lacks : bools [B, W], optional
        The words each picture lacks, a column for each of ``word_ids``: for captions that are not
        in the batch. Without it, all words but those of its caption. What its caption or one of
        its group says it has in any case.
    negatives : int, optional
        Contrast each sample with about so many others instead of all: the batch is dealt at random
        to sets of ``negatives + 1`` samples (a few more where that leaves some over), by a choice
        that follows from ``seed`` and ``word_ids``.
    groups, same_group
        Ids [B] of pairs that show or say the same, as in :func:`clip_loss`: such a picture lacks
        none of the group's words. ``"positive"``: a token also matches the group's other pictures,
        and its terms are averaged over them.
    precision
        ``"fp32"``, or ``"bf16"``: products of patches with words, on both passes, take operands
        rounded to bfloat16; sums and all else stay float32. Not for float64 input.
    grad
        Also return ``grads``: ``patches``, ``tokens``, ``logit_scale``.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``loss`` and its part ``words_loss`` are the same number. 0 where nothing lacks anything.

    Raises
    ------
    ValueError, TypeError
        Shapes, types or options that do not fit; the message names the argument, what was expected
        and what was found.

    Notes
    -----
    6 B U P D floating-point operations with gradients, 2 without, for U different pairs of a word
    and a vector: where a token's vector depends on its word alone, that is the number of different
    words; 8 of what outgrows 16 MiB of products kept between the passes, 2 with ``"max"``. With
    ``negatives`` in place of B about ``negatives + 1``, and U those of a set. Memory: B U scores
    and tiles. The same bits for any number of threads.

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), and scales from 1e-6 to 1e6; a number beyond is a
    ValueError.
    """
    return contrast_words(
        patches, tokens, word_ids, text_mask=text_mask, patch_mask=patch_mask,
        logit_scale=logit_scale, pool=pool, pool_scale=pool_scale, words=words, lacks=lacks,
        negatives=negatives, seed=seed, groups=groups, same_group=same_group, precision=precision,
        grad=grad, out_grads=out_grads,
    )  # fmt: skip


def contrast_words(
    patches: ArrayLike,
    tokens: ArrayLike,
    word_ids: ArrayLike,
    *,
    text_mask: ArrayLike | None,
    patch_mask: ArrayLike | None,
    logit_scale: float,
    pool: str,
    pool_scale: float,
    words: ArrayLike | None = None,
    lacks: ArrayLike | None,
    negatives: int | None,
    seed: int = 0,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    precision: str = "fp32",
    grad: bool,
    out_grads: Mapping[str, np.ndarray] | None = None,
    weight: float = 1.0,
    beside: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """:func:`word_contrast_loss`, and as one part of several: gradients of patches and tokens are
    ``weight`` times its own. Where ``beside`` has those of the other parts, they are added to
    these, in place where the core can."""
    inputs = real_inputs(as_bits=ROWS, patches=patches, tokens=tokens)
    rounded = read_rounded(precision)
    refuse_rounding_of_wide(rounded, inputs.dtype)
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    read = read_words(word_ids, words, lacks, batch.text_valid, marked, (batch.B, batch.L))
    options = (
        choice(pool, "pool", POOLS),
        scale_number(pool_scale, "pool_scale"),
        scale_number(logit_scale, "logit_scale"),
    )
    order, start = negative_sets(word_ids, batch.B, negatives, whole_number(seed, "seed", low=0))
    bits = [inputs.bits(name) for name in ROWS]
    row, first, row_start = distinct_rows(
        inputs.real("tokens"), read.word, order, start, bits=bits[1]
    )
    others = {name: beside[name] for name in ROWS if beside and name in beside}
    in_place = len(others) == len(ROWS) and all(
        array.dtype == inputs.dtype and array.flags.carray for array in others.values()
    )
    buffers = GradientBuffers.asked(inputs, grad, others if in_place else out_grads)
    out = np.zeros(2)
    _core.words(
        *map(inputs.real, ROWS), batch.patch_valid, read.word, read.lacks, row, first, row_start,
        order, start, np.diff(start).max(), np.diff(row_start).max(),
        *marked.for_core, *options, weight, in_place, *bits, rounded, out,
        buffers.get("patches"), buffers.get("tokens"),
    )  # fmt: skip
    loss, dscale = out.tolist()
    grads = buffers.finished(logit_scale=dscale)
    for name, array in others.items() if grads and not in_place else ():
        grads[name] += array
    return LossOutput(loss, parts={"words_loss": loss}, grads=grads)
