"""Matrix products: value, and the same bits on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import OP, assert_close

import csparc
from csparc import _core

SIZES = [(1, 1, 1), (7, 5, 3), (63, 65, 64), (300, 40, 129), (40, 700, 31), (1000, 1100, 17)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m", "k"), SIZES)
def test_value(n: int, m: int, k: int, dtype: type, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(n, k)).astype(dtype), rng.normal(size=(k, m)).astype(dtype)
    c = np.full((n, m), np.nan, dtype)
    _core.gemm(a, b, c)
    assert_close(c, a.astype(np.float64) @ b.astype(np.float64), OP[np.dtype(dtype)])


def test_empty_inner_dimension_gives_zeros() -> None:
    c = np.full((3, 4), np.nan)
    _core.gemm(np.empty((3, 0)), np.empty((0, 4)), c)
    assert (c == 0).all()


@pytest.mark.parametrize(("n", "m", "k"), SIZES)
def test_same_bits_on_any_threads(n: int, m: int, k: int, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(n, k)).astype("f4"), rng.normal(size=(k, m)).astype("f4")
    seen = set()
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        c = np.empty((n, m), "f4")
        _core.gemm(a, b, c)
        seen.add(c.tobytes())
    assert len(seen) == 1
