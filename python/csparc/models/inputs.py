"""Checks of what goes into a model, with messages that say what to do."""

from __future__ import annotations

import numpy as np

from csparc._arrays import packed
from csparc.models.config import ModelConfig


def check_images(image: object, config: ModelConfig, dtype: np.dtype) -> np.ndarray:
    """Float images [B,3,size,size] as a contiguous array of ``dtype``."""
    array = np.asarray(image)
    size = config.image_size
    if array.ndim != 4 or array.shape[1:] != (3, size, size):
        raise ValueError(
            f"image: expected [B, 3, {size}, {size}], found {list(array.shape)}; resize and "
            "normalise pictures with the preprocessing create_model_and_transforms returns"
        )
    if array.dtype.kind != "f":
        raise TypeError(
            f"image: expected normalised floating point values, found {array.dtype}; use the "
            "preprocessing create_model_and_transforms returns"
        )
    return packed(array, dtype)


def check_ids(text: object, config: ModelConfig) -> np.ndarray:
    """Token ids [B,L] as contiguous int32, L up to the context length, each in the vocabulary."""
    array = np.asarray(text)
    if array.ndim != 2 or not 1 <= array.shape[1] <= config.context_length:
        raise ValueError(
            f"text: expected token ids [B, L] with L of 1 to {config.context_length}, found "
            f"{list(array.shape)}; tokenize with context_length={config.context_length}"
        )
    if array.dtype.kind not in "iu":
        raise TypeError(f"text: expected integer token ids, found {array.dtype}")
    if array.size and not (array.min() >= 0 and array.max() < config.vocab_size):
        raise ValueError(
            f"text: expected token ids of 0 to {config.vocab_size - 1}, found {array.min()} to "
            f"{array.max()}; the tokenizer and the model's vocab_size do not belong together"
        )
    return packed(array, np.int32)


def check_valid(mask: object, ids: np.ndarray) -> np.ndarray:
    """Bool [B,L], True = valid; None takes every token but the padding, 0."""
    if mask is None:
        return ids != 0
    array = np.asarray(mask)
    if array.shape != ids.shape:
        raise ValueError(f"text_mask: expected {list(ids.shape)}, found {list(array.shape)}")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iu" or not np.isin(array, (0, 1)).all():
            raise TypeError(f"text_mask: expected bool or 0 and 1, found {array.dtype}")
        array = array.astype(np.bool_)
    return np.ascontiguousarray(array)
