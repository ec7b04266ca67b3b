"""What a model gives: tensors of a forward pass, arrays of encoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc import _core
from csparc._repr import fields_line
from csparc.nn import Tensor


@dataclass
class ModelOutput:
    """What a forward pass gives, as tensors: the features a loss reads, not normalised."""

    patches: Tensor  # [B,P,D]
    tokens: Tensor  # [B,L,D]
    image_global: Tensor  # [B,D]
    text_global: Tensor  # [B,D]

    __repr__ = fields_line


def encoded(
    pooled: Tensor, local: Tensor | None, normalize: bool
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """What encoding returns: the arrays, with ``normalize`` as unit vectors, none of them shared
    with a tape."""
    results = tuple(
        _unit(tensor.data) if normalize else tensor.data.copy()
        for tensor in (pooled, local)
        if tensor is not None
    )
    return results if local is not None else results[0]


def _unit(x: np.ndarray) -> np.ndarray:
    rows = x.reshape(-1, x.shape[-1])
    y, norm = np.empty_like(rows), np.empty(len(rows), x.dtype)
    _core.l2norm_forward(rows, y, norm)
    return y.reshape(x.shape)
