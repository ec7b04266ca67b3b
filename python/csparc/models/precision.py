"""The precision a model's linear layers multiply in."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from csparc import _core
from csparc._precision import precision_name
from csparc.nn import Parameter

_said_no_faster = False


def set_precision(parameters: Iterable[Parameter], dtype: np.dtype, precision: str) -> str:
    """Let products with ``parameters`` of this type run in ``precision``; returns its name.

    Raises
    ------
    ValueError
        No such precision, or bf16 of float64.
    """
    name = precision_name(precision, "precision")
    rounded = name == "bf16"
    if rounded and dtype == np.float64:
        raise ValueError("precision: expected 'fp32' of a model in float64, found 'bf16'")
    if rounded:
        _say_where_no_faster()
    for parameter in parameters:
        parameter.rounded = rounded
    return name


def _say_where_no_faster() -> None:
    global _said_no_faster
    if _core.config()["bfloat16"] == "plain" and not _said_no_faster:
        _said_no_faster = True
        warnings.warn(
            "precision 'bf16': this processor has no products of bfloat16 (avx512_bf16), so they "
            "are computed from rounded operands, to the same precision and no faster than 'fp32'",
            RuntimeWarning,
            stacklevel=4,
        )
