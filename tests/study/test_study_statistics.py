"""Student's t, paired intervals and Holm's correction agree with tables and with work by hand."""

from __future__ import annotations

import math

import pytest

from csparc.study import holm, paired, t_quantile
from csparc.study.statistics import deviation, incomplete_beta, mean, t_two_sided

# Percentage points of Student's t: one-sided 95, 97.5, 99.5 and 99.95 %, from printed tables.
TABLE = {
    1: (6.314, 12.706, 63.657, 636.619),
    2: (2.920, 4.303, 9.925, 31.599),
    3: (2.353, 3.182, 5.841, 12.924),
    4: (2.132, 2.776, 4.604, 8.610),
    5: (2.015, 2.571, 4.032, 6.869),
    9: (1.833, 2.262, 3.250, 4.781),
    30: (1.697, 2.042, 2.750, 3.646),
    120: (1.658, 1.980, 2.617, 3.373),
}


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_are_those_of_the_table(freedom):
    for share, printed in zip((0.95, 0.975, 0.995, 0.9995), TABLE[freedom]):
        assert t_quantile(share, freedom) == pytest.approx(printed, abs=6e-4)
        assert t_quantile(1 - share, freedom) == pytest.approx(-printed, abs=6e-4)


@pytest.mark.parametrize("t", [0.0, 1e-9, 0.3, 1.0, 7.0, 1e4])
def test_closed_forms_of_one_and_two_degrees(t):
    assert t_two_sided(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, rel=1e-11)
    assert t_two_sided(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9, abs=1e-15)


def test_many_degrees_are_nearly_normal():
    assert t_quantile(0.975, 10**7) == pytest.approx(1.959964, abs=1e-6)


def test_incomplete_beta_of_whole_numbers():
    """I_x(2, 3) is the chance of two or more of four: 6 x^2 - 8 x^3 + 3 x^4."""
    for x in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert incomplete_beta(2, 3, x) == pytest.approx(6 * x**2 - 8 * x**3 + 3 * x**4)


@pytest.mark.parametrize(
    ("share", "freedom", "named"), [(1.0, 3, "share"), (0.0, 3, "share"), (0.5, 0, "freedom")]
)
def test_what_has_no_quantile_is_named(share, freedom, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        t_quantile(share, freedom)


def test_deviation_divides_by_one_less():
    assert mean([1.0, 2.0, 4.0]) == pytest.approx(7 / 3)
    assert deviation([1.0, 3.0]) == pytest.approx(math.sqrt(2))
    assert deviation([1.0]) is None


def test_a_paired_interval_by_hand():
    """Mean 2, deviation 1, n 4: 2 ± 3.182 / 2, t = 4, p = .028."""
    spread = math.sqrt(3) / 2
    found = paired([2 - spread, 2 - spread, 2 + spread, 2 + spread])
    assert (found.n, found.positive, found.zero, found.negative) == (4, 4, 0, 0)
    assert found.mean == pytest.approx(2)
    assert found.low == pytest.approx(2 - 3.18245 / 2, abs=1e-5)
    assert found.high == pytest.approx(2 + 3.18245 / 2, abs=1e-5)
    assert found.p == pytest.approx(0.0280, abs=1e-4)
    assert found.direction == "higher"


def test_directions():
    assert paired([-5.0, -5.1, -4.9]).direction == "lower"
    assert paired([-1.0, 1.5, 0.0]).direction is None
    assert paired([0.0, 0.0]).direction is None
    assert paired([0.0, 0.0]).p == 1
    assert paired([2.0, 2.0]).direction == "higher"
    alone = paired([3.0])
    assert (alone.low, alone.high, alone.p, alone.direction) == (None, None, None, None)


def test_holm_by_hand():
    """.01 x 4, then .02 x 3, then .03 x 2 and .05 x 1, none below the one before."""
    assert holm([0.03, 0.01, 0.05, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
