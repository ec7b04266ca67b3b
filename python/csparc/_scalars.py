"""Numbers, choices and flags a caller passes, checked by the rules of :mod:`csparc._arrays`."""

from __future__ import annotations

import math

import numpy as np

from csparc._arrays import describe, to_numpy


def number(value: object, name: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number in [low, high]; arrays of one entry count as numbers."""
    if type(value) is float and math.isfinite(value) and low <= value <= high:
        return value
    expected = f"a finite number from {low:g} to {high:g}" if high < math.inf else (
        f"a finite number of at least {low:g}" if low > -math.inf else "a finite number"
    )  # fmt: skip
    if isinstance(value, (str, bytes, bool)) or value is None:
        raise TypeError(f"{name}: expected {expected}, found {describe(value)}")
    array = to_numpy(value, name)
    if array.size != 1 or (array.dtype.kind not in "iuf" and array.dtype.name != "bfloat16"):
        raise TypeError(f"{name}: expected {expected}, found {describe(value)}")
    result = float(array.reshape(()))
    if not math.isfinite(result) or not low <= result <= high:
        raise ValueError(f"{name}: expected {expected}, found {result!r}")
    return result


SCALES = (1e-6, 1e6)
"""Between these every scale of a loss lies: logits, their gradients, and both divided by lengths of
1e-12, then stay in the range of float32."""
WEIGHTS = (-1e3, 1e3)
"""The same for what the parts of a loss are multiplied by."""


def scale_number(value: object, name: str) -> float:
    """A number that multiplies similarities: from 1e-6 to 1e6."""
    return number(value, name, low=SCALES[0], high=SCALES[1])


def signed_scale_number(value: object, name: str) -> float:
    """A number of either sign, or 0, up to 1e6 in size."""
    return number(value, name, low=-SCALES[1], high=SCALES[1])


def weight_number(value: object, name: str) -> float:
    """What a part of a loss is multiplied by: from -1000 to 1000."""
    return number(value, name, low=WEIGHTS[0], high=WEIGHTS[1])


def whole_number(value: object, name: str, *, low: int) -> int:
    """A whole number of at least ``low``."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, found {describe(value)}")
    if value < low:
        raise ValueError(f"{name}: expected a whole number of at least {low}, found {value}")
    return int(value)


def choice(value: object, name: str, options: tuple[str, ...]) -> int:
    """Position of ``value`` among ``options``."""
    if not isinstance(value, str) or value not in options:
        listed = " or ".join(repr(option) for option in options)
        raise ValueError(f"{name}: expected {listed}, found {describe(value)}")
    return options.index(value)


def flag(value: object, name: str) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, found {describe(value)}")
    return bool(value)
