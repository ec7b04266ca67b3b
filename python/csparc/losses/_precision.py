"""The precision of matrix products, as losses take it."""

from __future__ import annotations

import numpy as np

from csparc._scalars import choice

PRECISIONS = ("fp32", "bf16")
SPELLINGS = (*PRECISIONS, "float32", "bfloat16")


def read_rounded(precision: object) -> bool:
    """Whether operands of products are rounded to bfloat16, from the argument ``precision``."""
    return precision_name(precision, "precision") == "bf16"


def precision_name(value: object, name: str) -> str:
    """The option ``precision`` of a loss in one spelling."""
    return PRECISIONS[choice(value, name, SPELLINGS) % len(PRECISIONS)]


def refuse_rounding_of_wide(rounded: bool, dtype: np.dtype) -> None:
    """Inputs of 64 bits have no such products."""
    if rounded and dtype == np.float64:
        raise ValueError(
            "precision: expected 'fp32' for inputs of 64 bits, found 'bf16': pass float32 or "
            "bfloat16 arrays to it"
        )
