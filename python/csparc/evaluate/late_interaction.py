"""Retrieval by the score with which a loss compares patches and words (late interaction).

Which losses have such a score, and how it is made, they say themselves (`Loss.pair_scores`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from csparc.evaluate.ranking import evaluate_scores
from csparc.losses.base import Loss
from csparc.losses.foreign import as_loss
from csparc.losses.pair_scores import LateFeatures, LateScores
from csparc.losses.registry import late_losses

__all__ = ["LateFeatures", "LateScores", "evaluate_late_retrieval", "late_scores"]


def evaluate_late_retrieval(features: LateFeatures, image_index: np.ndarray, loss: Any) -> dict:
    """`csparc.evaluate.evaluate_retrieval` by the score a loss trains.

    Parameters
    ----------
    features : LateFeatures
    image_index : integer array [M]
        The picture each caption belongs to.
    loss : Loss
        One of `csparc.losses.registry.late_losses`, with what it learned.

    Returns
    -------
    dict
        As `csparc.evaluate.evaluate_retrieval`.

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
    made: Loss = as_loss(loss)
    if not made.overrides("pair_scores"):
        raise ValueError(f"loss: expected one of {', '.join(late_losses())}, found {made.name!r}")
    for part in ("patches", "tokens", "text_global"):
        if not np.isfinite(getattr(features, part)).all():
            raise ValueError(f"{part}: expected finite features, found others")
    return made.pair_scores(features)
