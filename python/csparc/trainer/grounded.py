"""The setting in which words find their objects, of csparc's own and not the paper's."""

from __future__ import annotations

from types import MappingProxyType

from csparc.losses import ClipWordsLoss

MODEL = "nano-local"
LOSS = ClipWordsLoss
LOSS_OPTIONS = MappingProxyType({"pool_scale": 4, "word_scale_max": 20})
LEARNING_RATE = 3e-3
"""Towers whose patches and words have read only what is near them, CLIP with the contrast of every
word with pictures that lack it, and the rate such towers train at. docs/study/demo.md has what it
does on scenes, docs/real-pictures.md on pictures that nobody here drew."""


def grounded_loss() -> ClipWordsLoss:
    """A new object of the loss with its options."""
    return LOSS(**LOSS_OPTIONS)
