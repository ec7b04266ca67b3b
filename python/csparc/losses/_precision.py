"""The precision of matrix products, as losses take it."""

from __future__ import annotations

import numpy as np

from csparc._precision import PRECISIONS, precision_name

__all__ = ["PRECISIONS", "precision_name", "read_rounded", "refuse_rounding_of_wide"]


def read_rounded(precision: object) -> bool:
    """Whether operands of products are rounded to bfloat16, from the argument ``precision``."""
    return precision_name(precision, "precision") == "bf16"


def refuse_rounding_of_wide(rounded: bool, dtype: np.dtype) -> None:
    """Inputs of 64 bits have no such products."""
    if rounded and dtype == np.float64:
        raise ValueError(
            "precision: expected 'fp32' for inputs of 64 bits, found 'bf16': pass float32 or "
            "bfloat16 arrays to it"
        )
