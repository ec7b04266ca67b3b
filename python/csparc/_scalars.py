"""Numbers, choices, flags and sentences that a caller passes: one check of each kind for all.

Every message has the same shape: the argument, what was expected of it, what was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from csparc._arrays import describe, to_numpy
from csparc._text import is_blank


def number(
    value: object,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """A finite number in [low, high] and (above, below); arrays of one entry count as numbers."""

    def within(found: float) -> bool:
        return math.isfinite(found) and low <= found <= high and above < found < below

    if type(value) is float and within(value):
        return value
    expected = "a finite number" + _limits(low, high, above, below)
    if isinstance(value, (str, bytes, bool)) or value is None:
        raise TypeError(f"{name}: expected {expected}, found {describe(value)}")
    array = to_numpy(value, name)
    if array.size != 1 or (array.dtype.kind not in "iuf" and array.dtype.name != "bfloat16"):
        raise TypeError(f"{name}: expected {expected}, found {describe(value)}")
    result = float(array.reshape(()))
    if not within(result):
        raise ValueError(f"{name}: expected {expected}, found {result!r}")
    return result


def positive(value: object, name: str) -> float:
    """A finite number above 0."""
    return number(value, name, above=0)


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


def whole_number(
    value: object, name: str, *, low: int | None = None, high: int | None = None
) -> int:
    """A whole number, where limits are given in [low, high]."""
    lowest = -math.inf if low is None else low
    highest = math.inf if high is None else high
    expected = "a whole number" + _limits(lowest, highest)
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {expected}, found {describe(value)}")
    if not lowest <= value <= highest:
        raise ValueError(f"{name}: expected {expected}, found {value}")
    return int(value)


def choice(value: object, name: str, options: Sequence[str]) -> int:
    """Position of ``value`` among ``options``."""
    if not isinstance(value, str) or value not in options:
        *others, last = map(repr, options)
        listed = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"{name}: expected {listed}, found {describe(value)}")
    return options.index(value)


def flag(value: object, name: str) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, found {describe(value)}")
    return bool(value)


def _limits(low: float, high: float, above: float = -math.inf, below: float = math.inf) -> str:
    """The limits in words, after a noun; infinite ones are none."""
    if low > -math.inf and high < math.inf:
        return f" from {_plain(low)} to {_plain(high)}"
    told = [
        f"{word} {_plain(limit)}"
        for word, limit in (
            ("of at least", low), ("of at most", high), ("above", above), ("below", below),
        )
        if math.isfinite(limit)
    ]  # fmt: skip
    return f" {' and '.join(told)}" if told else ""


def _plain(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def sentence(value: object, name: str) -> str:
    """``value``, a text of at least one word: of an empty one a model makes a vector, too, but it
    stands for nothing."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a text, found {describe(value)}")
    if is_blank(value):
        raise ValueError(f"{name}: expected at least one word, found {value!r}")
    return value
