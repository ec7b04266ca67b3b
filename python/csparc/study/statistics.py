"""Means over seeds, paired differences with their intervals, and Holm's correction.

Student's t comes from the regularised incomplete beta function, whose continued fraction is
evaluated by Lentz's method (Press et al., Numerical Recipes, 6.4): no SciPy is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from csparc._repr import fields_line
from csparc._scalars import number, whole_number

CONFIDENCE = 0.95
_TINY = 1e-300


@dataclass(frozen=True)
class Paired:
    """Differences of n pairs."""

    n: int
    mean: float
    low: float | None
    """Ends of the t-interval at 95 %; None with fewer than two pairs."""
    high: float | None
    p: float | None
    """Two-sided, of no difference; None with fewer than two pairs."""
    positive: int
    zero: int
    negative: int

    __repr__ = fields_line

    @property
    def direction(self) -> str | None:
        """ "higher" or "lower" where the interval excludes 0; None where it does not tell."""
        if self.low is None or self.low <= 0 <= self.high:
            return None
        return "higher" if self.low > 0 else "lower"


def mean(values: Sequence[float]) -> float:
    """The mean, summed exactly."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float | None:
    """The sample standard deviation (ddof 1); None of fewer than two values."""
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def paired(differences: Sequence[float]) -> Paired:
    """Mean, interval, p and signs of differences, one or more, each of one seed."""
    n, middle = len(differences), mean(differences)
    low = high = p = None
    if n >= 2:
        error = deviation(differences) / math.sqrt(n)
        half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * error
        low, high = middle - half, middle + half
        p = t_two_sided(middle / error, n - 1) if error > 0 else float(middle == 0)
    return Paired(
        n, middle, low, high, p,
        sum(d > 0 for d in differences), sum(d == 0 for d in differences),
        sum(d < 0 for d in differences),
    )  # fmt: skip


def holm(values: Sequence[float]) -> list[float]:
    """p-values of one family, adjusted by Holm's step-down method, in the order given."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted, so_far = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = so_far
    return adjusted


def t_two_sided(t: float, freedom: int) -> float:
    """The probability that Student's t of so many degrees of freedom is as far from 0 as ``t``."""
    square = t * t
    if math.isinf(square):
        return 0.0
    if square < freedom:  # what keeps the digits of a small t
        return 1 - incomplete_beta(0.5, freedom / 2, square / (freedom + square))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square))


def t_quantile(share: float, freedom: int) -> float:
    """The t below which ``share`` of Student's distribution lies, to about 1e-12 relative.

    Parameters
    ----------
    share : float
        Between 0 and 1, both left out.
    freedom : int
        Degrees of freedom, at least 1.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.
    """
    share = number(share, "share", above=0, below=1)
    freedom = whole_number(freedom, "freedom", low=1)
    if share < 0.5:
        return -t_quantile(1 - share, freedom)
    outside, low, high = 2 * (1 - share), 0.0, 1.0
    while t_two_sided(high, freedom) > outside:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if t_two_sided(middle, freedom) > outside:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 <= x <= 1."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, its mirror image
        return 1 - incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's method: c and d are ratios of neighbouring numerators and denominators."""
    c, d = 1.0, 1.0 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
