"""The word contrast as a loss of its own, and as a part: what is asked of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc._rows import unit_rows_float64
from csparc._scalars import scale_number
from csparc.losses._precision import PRECISIONS, precision_name
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage
from csparc.losses.explains import Alignment, Pairs
from csparc.losses.filip import best_matches
from csparc.losses.options import count, option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput
from csparc.losses.word_contrast import POOLS, contrast_words, word_contrast_loss

if TYPE_CHECKING:
    from csparc.losses.pair_scores import LateFeatures, LateScores

WORDS_PART = Part("words_loss", "Word loss", "words against pictures that lack them, over a batch")
POOL = partial(
    option, "lse", "How a word's cosines with the patches of a picture become one number.", POOLS
)
POOL_SCALE = partial(
    option,
    5.0,
    "Multiplies the cosines that are pooled: small ones cover objects, large ones point.",
    check=scale_number,
)
NEGATIVES = partial(
    option, None, "Other pairs that each is contrasted with; none: the whole batch.", check=count
)
PRECISION = partial(
    option,
    "fp32",
    "Products of patches with words in the arrays' own type, or of operands rounded to bfloat16.",
    PRECISIONS,
    check=precision_name,
)
SEGMENT, PANEL, KEPT_BYTES = 224, 56, 16 << 20
"""Rows of words at a time, of a panel, and products that are kept (csparc/loss/words/sets.c)."""
MOST_WORDS = 1000
"""Different words of a batch that an estimate assumes."""


@dataclass(frozen=True, repr=False)
class WordPart:
    """The options of the word contrast, and what follows from them alone."""

    pool: str
    pool_scale: float
    negatives: int | None
    precision: str

    __repr__ = fields_line

    def __call__(
        self,
        call: Mapping[str, Any],
        scale: float,
        weight: float,
        beside: Mapping[str, np.ndarray],
    ) -> LossOutput:
        """Its loss, and gradients where they are asked for: of patches and tokens ``weight`` times
        its own, and those of other parts, ``beside``, added to, in place where they can be."""
        taken = (
            "patches", "tokens", "word_ids", "lacks", "text_mask", "patch_mask", "groups",
            "same_group", "grad",
        )  # fmt: skip
        given = {"text_mask": None, "patch_mask": None}
        given |= {name: call[name] for name in taken if name in call}
        return contrast_words(
            **given, logit_scale=scale, pool=self.pool, pool_scale=self.pool_scale,
            negatives=self.negatives, precision=self.precision, weight=weight, beside=beside,
        )  # fmt: skip

    def align(self, pairs: Pairs, loss: Loss) -> Alignment:
        """How much a word's score rises with each cosine; its best patch under ``max``."""
        if self.pool == "max":
            found = best_matches(pairs, loss)
            return Alignment(
                found.weights, loss.name, "Word contrast: best match of each word",
                found.notes, chosen_by=found.chosen_by,
            )  # fmt: skip
        weights = pairs.weights(
            normalizer="softmax", similarity="cosine", softmax_scale=self.pool_scale
        )
        note = f"Softmax of {self.pool_scale:.3g} × cosine."
        return Alignment(weights, loss.name, "Word contrast: patches of each word", (note,))

    def pair_scores(self, features: LateFeatures) -> LateScores:
        """The mean of the pooled cosines of a caption's words with a picture, both ways; 0 for a
        caption without words."""
        counts = np.asarray(features.counts)
        words = unit_rows_float64(features.tokens, "tokens")
        start = np.concatenate([[0], np.cumsum(counts)])

        def score(i: int, first: int, last: int) -> np.ndarray:
            found = np.zeros(last - first)
            spoken = counts[first:last] > 0
            if not spoken.any():
                return found
            patches = unit_rows_float64(features.patches[i], "patches")
            pooled = self._pooled(words[start[first] : start[last]] @ patches.T)
            begins = (start[first:last] - start[first])[spoken]
            found[spoken] = np.add.reduceat(pooled, begins) / counts[first:last][spoken]
            return found

        longest = max(1, int(counts.max(initial=1)))
        return features.scores(score, entries=features.patches.shape[1] * longest)

    def _pooled(self, cosine: np.ndarray) -> np.ndarray:
        """z of cosines [words, P]."""
        top = cosine.max(axis=1)
        if self.pool == "max":
            return top
        exponent = np.exp(self.pool_scale * (cosine - top[:, None]))
        if self.pool == "lse":
            return top + np.log(exponent.mean(axis=1)) / self.pool_scale
        return (exponent * cosine).sum(axis=1) / exponent.sum(axis=1)

    def flop(self, s: Sizes) -> int:
        """Value and gradients where every token has a vector of its own, the most there is: cosines
        and a product for each side, and cosines again where they are not kept in float32; cosines
        alone of the maximum."""
        met = self._met(s)
        rows = met * s.L
        lanes = _lanes(rows)
        formed = lanes
        if self.pool != "max":
            kept = KEPT_BYTES / 4 / max(1, met * s.P * lanes)
            formed = (2 - min(1.0, kept)) * lanes + 2 * rows
        return round(2 * s.B * formed * s.P * s.D)

    def forward_flop(self, s: Sizes, own: float) -> float:
        """The words of the own captions with all pictures, the own pictures with all words."""
        return own * self._met(s) * 4 * s.L * s.P * s.D

    def stages(self, s: Sizes) -> list[Stage]:
        """Where every token has a vector of its own."""
        met, tokens = self._met(s), s.B * s.L
        width = min(tokens, MOST_WORDS)
        held = tokens * 8 * 3 + s.B * width * 2 + tokens * 2
        sizes = {
            "N": tokens, "U": tokens, "W": width, "S": 2, "samples": met, "set_rows": met * s.L,
            "pool": POOLS.index(self.pool), "rounded": int(self.precision == "bf16"),
        }  # fmt: skip
        return [Stage("distinct_words", sizes, held), Stage("words", sizes, held)]

    def _met(self, s: Sizes) -> int:
        """Samples of a set, near enough."""
        return s.B if self.negatives is None else min(s.B, self.negatives + 1)


def _lanes(rows: int) -> int:
    """Rows as they are padded: panels of a segment are of equal width, whole vectors of 8."""
    whole, rest = divmod(rows, SEGMENT)
    panels = -(-rest // PANEL)
    width = 8 * -(-rest // (8 * panels)) if panels else 0
    return whole * SEGMENT + panels * width


@register
@dataclass(frozen=True, repr=False)
class WordContrastLoss(Loss):
    """:func:`word_contrast_loss` with its options fixed, as an object a trainer can hold.

    It scales pooled cosines by the model's ``logit_scale`` and trains no vector of the whole.
    """

    name = "word-contrast"
    label = "Word contrast"
    inputs = ("patches", "tokens", "word_ids", "lacks")
    parts = (WORDS_PART,)

    pool: str = POOL()
    pool_scale: float = POOL_SCALE()
    negatives: int | None = NEGATIVES()
    precision: str = PRECISION()

    def _words(self) -> WordPart:
        return WordPart(self.pool, self.pool_scale, self.negatives, self.precision)

    def _compute(self, **call: Any) -> LossOutput:
        return word_contrast_loss(
            **call, pool=self.pool, pool_scale=self.pool_scale, negatives=self.negatives,
            precision=self.precision,
        )  # fmt: skip

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _align(self, pairs: Pairs) -> Alignment:
        return self._words().align(pairs, self)

    def pair_scores(self, features: LateFeatures) -> LateScores:
        return self._words().pair_scores(features)

    def flop(self, sizes: Sizes) -> int:
        return self._words().flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return self._words().forward_flop(sizes, own)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return self._words().stages(sizes)

    @classmethod
    def limits(cls) -> tuple[str, str]:
        return words_limits(cls)


def words_limits(cls: type[Loss]) -> tuple[str, str]:
    """`Loss.limits` of what has the word contrast in it."""
    return (
        "Anything at the scale papers train at. The word contrast is csparc’s own: no published "
        f"figure of {cls.label} exists, and this page claims none.",
        "That the word contrast is better or worse than another loss. That needs the same run with "
        "both, over several seeds.",
    )
