"""FILIP: every patch meets its best token, every token its best patch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._scalars import choice, number, positive, whole_number
from csparc.losses._batch import Batch
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import Groups, read_groups
from csparc.losses.explains import NAMES, Aligned, Alignment, Pairs, unit_rows
from csparc.losses.result import LossOutput

TILE = (0, 0)
"""Samples of one block of queries and of one tile of keys; 0: as the core finds best."""
DROPS = ("keys", "both", "none")


def filip_loss(
    patches: ArrayLike,
    tokens: ArrayLike,
    *,
    text_mask: ArrayLike | None = None,
    patch_mask: ArrayLike | None = None,
    logit_scale: float = 1 / 0.07,
    keep: float = 0.2,
    drop: str = "keys",
    drop_group: int = 64,
    groups: ArrayLike | None = None,
    same_group: str = "exclude",
    grad: bool = False,
    out_grads: Mapping[str, np.ndarray] | None = None,
) -> LossOutput:
    """Fine-grained late interaction over all pairs (FILIP, arXiv 2111.07783).

    With unit vectors of patches ``v`` and tokens ``t``::

        X_ij = mean over patches p of image i of max over key tokens k of caption j of v_ip . t_jk
        Y_ij = mean over tokens l of caption i of max over key patches k of image j of t_il . v_jk
        loss = 1/(2B) sum_i [ lse_j S X_ij - S X_ii  +  lse_j S Y_ij - S Y_ii ],  S = logit_scale

    Parameters
    ----------
    patches, tokens : [B, P, D], [B, L, D]
        Embedded patches and tokens; normalised here. A zero vector has similarity 0.
    text_mask, patch_mask : [B, L], [B, P], optional
        True = valid: bools, 0/1, or lengths [B]. What is not valid influences nothing. A caption
        without tokens is neither a positive nor a negative, its image remains a negative; likewise
        for an image without patches.
    logit_scale
        Multiplies the mean similarities; its gradient is of this number.
    keep
        Share of patches and of tokens that serve as keys: ``ceil(keep P)`` and ``ceil(keep L)``,
        or all valid ones where there are fewer.
    drop
        ``"keys"``: queries are everything valid. ``"both"``: only what is kept also asks.
        ``"none"``: keep everything.
    drop_group
        The keys kept are those most similar to anything in their group of this many consecutive
        samples. Ties go to the lowest index. With 1, keys are chosen by their own pair alone, which
        lets the label choose the negatives' keys.
    groups, same_group
        Ids [B] of pairs that show or say the same, as in :func:`clip_loss`. They have nothing to do
        with ``drop_group``: keys are chosen by similarity to everything in their drop group, pairs
        that ``"exclude"`` takes out of the softmaxes included.
    grad
        Also return ``grads``: ``patches``, ``tokens``, ``logit_scale``.
    out_grads
        Arrays to write gradients to, by argument name; implies ``grad``.

    Returns
    -------
    LossOutput
        ``loss`` and ``local_loss`` are the same number. One pair alone has loss exactly 0.

    Notes
    -----
    2 B² D keep (2 P L) floating-point operations, 4 B² D (P + L) more for gradients, and
    2 B drop_group P L D to choose the keys. Nothing of size B x B is stored. The choice has no
    gradient; the gradient of a maximum goes to its first winner. The same bits for any number of
    threads.
    """
    inputs = real_inputs(patches=patches, tokens=tokens)
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = positive(logit_scale, "logit_scale")
    masks = query_and_key_masks(batch, keep, drop, drop_group)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    loss, dscale = interact(batch, masks, scale, buffers, marked)
    grads: dict[str, Any] = {}
    if buffers:
        grads = {**buffers.finished(), "logit_scale": dscale}
    return LossOutput(loss=loss, global_loss=0.0, local_loss=loss, grads=grads)


def interact(
    batch: Batch,
    masks: tuple[np.ndarray | None, ...],
    scale: float,
    buffers: GradientBuffers,
    groups: Groups,
) -> tuple[float, float]:
    """(loss, gradient of the scale); those of patches and tokens are written to ``buffers``."""
    out = np.zeros(2)
    _core.filip(
        batch.arrays["patches"], batch.arrays["tokens"], *masks, *groups.for_core, scale,
        *TILE, out,
        buffers.get("patches"), buffers.get("tokens"),
    )  # fmt: skip
    return float(out[0]), float(out[1])


def query_and_key_masks(
    batch: Batch, keep: float, drop: str, drop_group: int
) -> tuple[np.ndarray | None, ...]:
    """Patch queries, patch keys, token queries, token keys; None for all."""
    keep = number(keep, "keep", low=0.0, high=1.0)
    if keep == 0:
        raise ValueError("keep: expected a share above 0 of the keys, found 0")
    kind = DROPS[choice(drop, "drop", DROPS)]
    group = whole_number(drop_group, "drop_group", low=1)
    if kind == "none":
        return batch.patch_valid, batch.patch_valid, batch.text_valid, batch.text_valid
    kept_patches = np.zeros((batch.B, batch.P), np.uint8)
    kept_tokens = np.zeros((batch.B, batch.L), np.uint8)
    _core.filip_select(
        batch.arrays["patches"], batch.arrays["tokens"], batch.patch_valid, batch.text_valid,
        kept_count(keep, batch.P), kept_count(keep, batch.L), group, kept_patches, kept_tokens,
    )  # fmt: skip
    if kind == "both":
        return kept_patches, kept_patches, kept_tokens, kept_tokens
    return batch.patch_valid, kept_patches, batch.text_valid, kept_tokens


def best_matches(pairs: Pairs, rule: str) -> Alignment:
    """Each word's best patch, as the caption's side of the similarity has it, by cosine.

    Over all patches: which of them are dropped is decided by a whole training batch.
    """
    cosine = unit_rows(pairs.tokens) @ unit_rows(pairs.patches).transpose(0, 2, 1)
    cosine = np.where(pairs.valid, cosine, -1)
    weights = np.zeros_like(cosine)
    if cosine.shape[2]:
        best = np.where(pairs.valid, cosine, -np.inf).argmax(axis=2)
        np.put_along_axis(weights, best[:, :, None], 1, axis=2)
    weights *= pairs.valid
    title = f"{NAMES[rule]}: best match of each word"
    return Alignment(weights, rule, title, chosen_by=cosine)


def kept_count(keep: float, total: int) -> int:
    """ceil(keep total), at least one, where 0.2 * 55 is 11 although it rounds to above 11."""
    return max(1, math.ceil(keep * total - 1e-9))


class FilipLoss(Aligned):
    """:func:`filip_loss` with its options fixed, as an object a trainer can hold."""

    inputs = ("patches", "tokens")

    def __init__(self, keep: float = 0.2, drop: str = "keys", drop_group: int = 64) -> None:
        if number(keep, "keep", low=0.0, high=1.0) == 0:
            raise ValueError("keep: expected a share above 0 of the keys, found 0")
        choice(drop, "drop", DROPS)
        self._options = {
            "keep": float(keep),
            "drop": drop,
            "drop_group": whole_number(drop_group, "drop_group", low=1),
        }

    def config(self) -> dict[str, Any]:
        """What recreates this object: its name and options, as JSON holds them."""
        return {"loss": "filip", **self._options}

    def __call__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        *,
        image_global: ArrayLike | None = None,
        text_global: ArrayLike | None = None,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float = 1 / 0.07,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As :func:`filip_loss`; the global vectors are accepted and not looked at."""
        return filip_loss(
            patches, tokens, text_mask=text_mask, patch_mask=patch_mask, logit_scale=logit_scale,
            **self._options, groups=groups, same_group=same_group, grad=grad, out_grads=out_grads,
        )  # fmt: skip

    def _align(self, pairs: Pairs) -> Alignment:
        return best_matches(pairs, "filip")

    def __repr__(self) -> str:
        return f"FilipLoss({', '.join(f'{k}={v!r}' for k, v in self._options.items())})"
