"""FILIP: every patch meets its best token, every token its best patch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from csparc import _core
from csparc._arrays import real_inputs
from csparc._like import gives_like
from csparc._rows import unit_rows_float64
from csparc._scalars import choice, number, scale_number
from csparc.losses._batch import Batch
from csparc.losses._grads import GradientBuffers
from csparc.losses._groups import Groups, read_groups
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage
from csparc.losses.explains import Alignment, Pairs, unit_rows
from csparc.losses.options import count, option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput

if TYPE_CHECKING:
    from csparc.losses.pair_scores import LateFeatures, LateScores

TILE = (0, 0)
"""Samples of one block of queries and of one tile of keys; 0: as the core finds best."""
DROPS = ("keys", "both", "none")


@gives_like
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
        ``"keys"``: queries are everything valid. ``"both"``: what is dropped is no query either.
        ``"none"``: keep everything.
    drop_group
        The keys kept are those most similar to anything in their group of this many consecutive
        samples. Ties go to the lowest index. With 1, keys are chosen by their own pair alone, which
        lets the label choose the negatives' keys.
    groups, same_group
        Ids [B] that mark duplicates, as in :func:`clip_loss`. They have nothing to do
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

    Numbers: value and gradients are finite for vectors of lengths from 1e-12 to 1e12 side by side
    (0 and what is shorter count as 0), scales from 1e-6 to 1e6 and shares above 0 up to 1; a number
    beyond is a ValueError.
    """
    inputs = real_inputs(patches=patches, tokens=tokens)
    batch = Batch(inputs, text_mask, patch_mask)
    marked = read_groups(groups, same_group, batch.B)
    scale = scale_number(logit_scale, "logit_scale")
    masks = query_and_key_masks(batch, keep, drop, drop_group)
    buffers = GradientBuffers.asked(inputs, grad, out_grads)
    loss, dscale = interact(batch, masks, scale, buffers, marked)
    grads = buffers.finished(logit_scale=dscale)
    return LossOutput(loss, parts={"local_loss": loss}, grads=grads)


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
    keep = kept_share(keep, "keep")
    kind = DROPS[choice(drop, "drop", DROPS)]
    group = min(count(drop_group, "drop_group"), max(batch.B, 1))
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


def kept_share(value: object, name: str) -> float:
    """A share in (0, 1]."""
    share = number(value, name, low=0.0, high=1.0)
    if share == 0:
        raise ValueError(f"{name}: expected a share above 0 of the keys, found 0")
    return share


def kept_count(keep: float, total: int) -> int:
    """ceil(keep total), at least one, where 0.2 * 55 is 11 although it rounds to above 11."""
    return max(1, math.ceil(keep * total - 1e-9))


MATCHES = Part("local_loss", "Local loss", "best matches of words and patches, over a batch")
KEEP = partial(
    option,
    0.2,
    "Share of patches and of tokens that serve as keys.",
    check=kept_share,
    paper='25 % of the tokens; the SPARC paper: "20% token dropping", and a cost that only keeping '
    "20 % fits",
)
DROP = partial(
    option, "keys", "Drop from the keys alone, from queries and keys, or nothing.", DROPS
)
DROP_GROUP = partial(
    option,
    64,
    "Consecutive samples among which the keys are chosen.",
    paper="the samples of one worker",
)


@register
@dataclass(frozen=True, repr=False)
class FilipLoss(Loss):
    """:func:`filip_loss` with its options fixed, as an object a trainer can hold."""

    name = "filip"
    label = "FILIP"
    inputs = ("patches", "tokens")
    parts = (MATCHES,)

    keep: float = KEEP()
    drop: str = DROP()
    drop_group: int = DROP_GROUP()

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _compute(self, **call: Any) -> LossOutput:
        return filip_loss(**call, keep=self.keep, drop=self.drop, drop_group=self.drop_group)

    def _align(self, pairs: Pairs) -> Alignment:
        return best_matches(pairs, self)

    def pair_scores(self, features: LateFeatures) -> LateScores:
        """The mean over a picture's patches of the best word of a caption, to rank captions; the
        mean over a caption's words of the best patch, to rank pictures. All patches and words serve
        as keys: which a training step drops is decided by its batch. A caption without words scores
        0.
        """
        counts = np.asarray(features.counts)
        words = unit_rows_float64(features.tokens, "tokens")
        start = np.concatenate([[0], np.cumsum(counts)])

        def score(i: int, first: int, last: int, by_word: bool) -> np.ndarray:
            found = np.zeros(last - first)
            spoken = counts[first:last] > 0
            if not spoken.any():
                return found
            begins = (start[first:last] - start[first])[spoken]
            patches = unit_rows_float64(features.patches[i], "patches")
            similarity = words[start[first] : start[last]] @ patches.T  # [words, P]
            if by_word:
                sums = np.add.reduceat(similarity.max(axis=1), begins)
                found[spoken] = sums / counts[first:last][spoken]
            else:
                found[spoken] = np.maximum.reduceat(similarity, begins, axis=0).mean(axis=1)
            return found

        longest = max(1, int(counts.max(initial=1)))
        return features.scores(
            partial(score, by_word=False), partial(score, by_word=True),
            entries=features.patches.shape[1] * longest,
        )  # fmt: skip

    def _kept_pairs(self, s: Sizes) -> int:
        """Patches with kept tokens and tokens with kept patches of one image and one caption."""
        return s.P * kept_count(self.keep, s.L) + s.L * kept_count(self.keep, s.P)

    def flop(self, sizes: Sizes) -> int:
        """All queries with kept keys, both ways (csparc/loss/filip/max_similarity.h), and which
        keys to keep (csparc/loss/filip/filip.h). Gradients of winners, 4 B² D (P + L), are
        additions of rows, not products, and not counted."""
        s = sizes
        whole, rest = divmod(s.B, self.drop_group)
        within_groups = whole * self.drop_group**2 + rest**2
        return 2 * s.D * (s.B**2 * self._kept_pairs(s) + within_groups * s.P * s.L)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return own * sizes.B * 2 * sizes.D * self._kept_pairs(sizes)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        """Which patches and tokens are keys: a byte each."""
        if self.drop == "none":
            return [Stage("filip")]
        chosen = {
            "patch_count": kept_count(self.keep, sizes.P),
            "token_count": kept_count(self.keep, sizes.L),
            "group": min(self.drop_group, max(sizes.B, 1)),
        }
        masks = sizes.B * (sizes.P + sizes.L)
        return [Stage("filip_select", chosen, masks), Stage("filip", arrays=masks)]


def best_matches(pairs: Pairs, loss: Loss) -> Alignment:
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
    return Alignment(weights, loss.name, f"{loss.label}: best match of each word", chosen_by=cosine)
