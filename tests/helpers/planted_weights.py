"""A loss whose alignment weights are whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc.losses.explains import Alignment


class Weighs:
    """``weigh(patches, tokens, text_mask)`` gives the weights, [B, L, P] or [B, P]."""

    def __init__(self, weigh: Callable[..., np.ndarray], title: str = "planted") -> None:
        self.weigh, self.title = weigh, title

    def alignment(self, patches, tokens, *, text_global=None, text_mask=None, patch_mask=None):
        return Alignment(np.asarray(self.weigh(patches, tokens, text_mask)), "planted", self.title)
