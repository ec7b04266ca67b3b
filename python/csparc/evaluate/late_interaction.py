"""How alike a picture and a caption are where patches meet words: the scores of FILIP and PACL.

Such a score belongs to a pair: no vector of the picture alone and of the caption alone has it as
their product. All N M of them are made a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from csparc.evaluate.retrieval import Block, evaluate_scores, unit_rows

LATE = ("filip", "pacl")
"""The losses that train such a score and no vector of the whole picture."""
_BLOCK_ENTRIES = 1 << 20


@dataclass(frozen=True)
class LateFeatures:
    """What the scores read of N pictures and M captions.

    patches [N, P, D], not normalised; tokens [T, D], the words of all captions one after the other,
    ``counts`` [M] of each; text_global [M, D].
    """

    patches: np.ndarray
    tokens: np.ndarray
    counts: np.ndarray
    text_global: np.ndarray


@dataclass(frozen=True)
class LateScores:
    """``to_texts(i, first, last)`` and ``to_images(i, first, last)``: float64 scores of picture
    ``i`` with the captions from ``first`` up to ``last``, for ranking captions and pictures."""

    images: int
    texts: int
    chunk: int
    """Captions that are scored at a time."""
    to_texts: Callable[[int, int, int], np.ndarray]
    to_images: Callable[[int, int, int], np.ndarray]

    def image_rows(self) -> Iterator[Block]:
        """(i, scores [1, M] float32) of every picture."""
        for i in range(self.images):
            parts = [self.to_texts(i, *chunk) for chunk in self._chunks()]
            yield i, np.concatenate(parts)[None].astype(np.float32)

    def text_rows(self) -> Iterator[Block]:
        """(first caption, scores [captions, N] float32)."""
        for first, last in self._chunks():
            columns = [self.to_images(i, first, last) for i in range(self.images)]
            yield first, np.stack(columns, axis=1).astype(np.float32)

    def _chunks(self) -> list[tuple[int, int]]:
        bounds = [*range(0, self.texts, self.chunk), self.texts]
        return list(pairwise(bounds))


def evaluate_late_retrieval(features: LateFeatures, image_index: np.ndarray, loss: Any) -> dict:
    """`evaluate_retrieval` by the score a loss trains.

    Parameters
    ----------
    features : LateFeatures
    image_index : integer array [M]
        The picture each caption belongs to.
    loss : FilipLoss or PaclLoss
        With what it learned.

    Returns
    -------
    dict
        As `evaluate_retrieval`.

    Raises
    ------
    ValueError
        A loss without such a score, features that are not finite.

    Notes
    -----
    Each direction computes all scores once, in float64: about 2 N M P L D multiply-adds for FILIP
    with L words a caption, 4 N M P D for PACL. Beyond the features: the words (captions) in
    float64, and blocks of 8 MiB.
    """
    scores = late_scores(features, loss)
    return evaluate_scores(scores.image_rows(), scores.text_rows(), image_index, scores.images)


def late_scores(features: LateFeatures, loss: Any) -> LateScores:
    """The scores that a loss contrasts."""
    options = loss.config()
    name = options["loss"]
    if name not in LATE:
        raise ValueError(f"loss: expected one of {', '.join(LATE)}, found {name!r}")
    for part in ("patches", "tokens", "text_global"):
        if not np.isfinite(getattr(features, part)).all():
            raise ValueError(f"{part}: expected finite features, found others")
    if name == "filip":
        return _filip(features)
    learned = {name: loss.value(name) for name in loss.parameters}
    return _pacl(features, {**options, **learned})


def _filip(features: LateFeatures) -> LateScores:
    """The mean over a picture's patches of the best word of a caption, to rank captions; the mean
    over a caption's words of the best patch, to rank pictures. All patches and words serve as keys:
    which a training step drops is decided by its batch. A caption without words scores 0.
    """
    N, P, _ = features.patches.shape
    M, counts = len(features.counts), np.asarray(features.counts)
    words = unit_rows(features.tokens, "tokens")
    start = np.concatenate([[0], np.cumsum(counts)])

    def score(i: int, first: int, last: int, by_word: bool) -> np.ndarray:
        found = np.zeros(last - first)
        spoken = counts[first:last] > 0
        if not spoken.any():
            return found
        begins = (start[first:last] - start[first])[spoken]
        patches = unit_rows(features.patches[i], "patches")
        similarity = words[start[first] : start[last]] @ patches.T  # [words, P]
        if by_word:
            sums = np.add.reduceat(similarity.max(axis=1), begins)
            found[spoken] = sums / counts[first:last][spoken]
        else:
            found[spoken] = np.maximum.reduceat(similarity, begins, axis=0).mean(axis=1)
        return found

    longest = max(1, int(counts.max(initial=1)))
    return LateScores(
        N, M, max(1, _BLOCK_ENTRIES // max(1, P * longest)),
        lambda i, first, last: score(i, first, last, False),
        lambda i, first, last: score(i, first, last, True),
    )  # fmt: skip


def _pacl(features: LateFeatures, options: Mapping[str, Any]) -> LateScores:
    """The cosine (or product) of a caption with the patches it weighs: the same both ways."""
    N, P, D = features.patches.shape
    M = len(features.text_global)
    texts = unit_rows(features.text_global, "text_global")
    scale, kind = options["weight_scale"], options["weights"]

    def score(i: int, first: int, last: int) -> np.ndarray:
        unit = unit_rows(features.patches[i], "patches")
        logits = scale * (texts[first:last] @ unit.T)  # [captions, P]
        if kind == "sigmoid":
            weights = np.exp(-np.logaddexp(0, -logits))
        else:
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
        pooled = weights @ (unit if options["pool"] == "unit" else features.patches[i])
        if options["renormalize"]:
            pooled = unit_rows(pooled, "the weighted patches")
        return (pooled * texts[first:last]).sum(axis=1)

    return LateScores(N, M, max(1, _BLOCK_ENTRIES // max(1, P, D)), score, score)
