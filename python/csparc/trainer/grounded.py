"""The setting in which words find their objects, of csparc's own and not the paper's."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from csparc.losses.registry import make_loss

MODEL = "nano-local"
LOSS = "clip+words"
LOSS_OPTIONS = MappingProxyType({"pool_scale": 4, "word_scale_max": 20})
LEARNING_RATE = 3e-3
"""Towers whose patches and words have read only what is near them, CLIP with the contrast of every
word with pictures that lack it, and the rate such towers train at. docs/study/grounding.md has what
it does on scenes, docs/real-pictures.md on pictures that nobody here drew."""


def grounded_loss() -> Any:
    """A new object of the loss with its options."""
    return make_loss(LOSS, [f"{name}={value}" for name, value in LOSS_OPTIONS.items()])
