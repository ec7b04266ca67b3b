"""A loss whose alignment weights are whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc.losses import Alignment, Loss, LossOutput, Part


class Weighs(Loss):
    """``weigh(patches, tokens, text_mask)`` gives the weights, [B, L, P] or [B, P]."""

    name = "planted"
    label = "Planted"
    inputs = ("patches", "tokens")
    parts = (Part("local_loss", "Local loss", "nothing"),)

    def __init__(self, weigh: Callable[..., np.ndarray], title: str = "planted") -> None:
        self.weigh, self.title = weigh, title

    def _compute(self, **call) -> LossOutput:
        raise AssertionError("only its weights are asked for")

    def alignment(self, patches, tokens, *, text_mask=None, rule="own", **others) -> Alignment:
        """Of the arrays as they are."""
        return Alignment(np.asarray(self.weigh(patches, tokens, text_mask)), self.name, self.title)
