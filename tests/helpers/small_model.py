"""A model small enough for finite differences, and batches for it."""

from __future__ import annotations

import numpy as np

from csparc.models import create_model

SMALL = {
    "image": {"width": 8, "layers": 2, "heads": 2},
    "text": {"width": 6, "layers": 2, "heads": 3},
    "image_size": 16,
    "context_length": 7,
    "shared_width": 5,
    "vocab_size": 11,
}
FEATURES = ("patches", "tokens", "image_global", "text_global")


def small_model(dtype: type = np.float64, **options):
    return create_model("nano", dtype=dtype, **{**SMALL, **options})


def small_batch(rng: np.random.Generator, size: int = 4, length: int = 7):
    """Images, padded captions, mask."""
    image = rng.normal(size=(size, 3, 16, 16))
    text = rng.integers(1, 11, (size, length)).astype(np.int32)
    mask = np.arange(length) < np.array([length, 3, 1, 5])[:size, None]
    return image, np.where(mask, text, 0).astype(np.int32), mask
