"""The tile kernels of every instruction set agree with plain NumPy at sizes around every tile.

No access leaves the operands.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from guarded import guarded
from other_isa import run_again
from tolerances import OP, assert_close

from csparc import _core

PLAIN, STREAM, FETCH = 0, 1, 2

# Around the heights and widths of the tiles, and primes far from any.
ROWS = [1, 2, 7, 12, 13, 14, 15, 29, 61]
COLUMNS = [1, 3, 4, 7, 8, 9, 16, 23, 24, 31, 32, 33, 40, 47, 56, 63, 64, 65, 72, 97, 131]
INNER = [0, 1, 2, 15, 16, 17, 55]
DTYPES = [np.float32, np.float64]


def draw(rng: np.random.Generator, *shape: int, dtype: type = np.float32) -> np.ndarray:
    return rng.normal(size=shape).astype(dtype)


def aligned(n: int, m: int, dtype: type) -> np.ndarray:
    """NaNs that start a cache line, where streaming stores apply."""
    room = np.full(n * m + 16, np.nan, dtype)
    skip = -room.ctypes.data % 64 // room.itemsize
    return room[skip : skip + n * m].reshape(n, m)


def close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert_close(found, expected, OP[found.dtype], what)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", COLUMNS)
def test_product(m: int, dtype: type, rng: np.random.Generator) -> None:
    for n in ROWS:
        for k in INNER:
            a, b = draw(rng, n, k, dtype=dtype), draw(rng, k, m, dtype=dtype)
            c = np.full((n, m), np.nan, dtype)
            _core.product(a, b, None, None, FETCH, c)
            close(c, a.astype(float) @ b.astype(float), f"{n}x{m}x{k}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hints", [PLAIN, STREAM, FETCH, STREAM | FETCH])
def test_added_rows(hints: int, dtype: type, rng: np.random.Generator) -> None:
    for n, m, k in [(1, 1, 1), (15, 9, 4), (29, 64, 20), (55, 131, 7), (30, 144, 55)]:
        a, b = draw(rng, n, k, dtype=dtype), draw(rng, k, m, dtype=dtype)
        e, rows = draw(rng, n, dtype=dtype), draw(rng, n, m, dtype=dtype)
        c = aligned(n, m, dtype)
        _core.product(a, b, e, rows, hints, c)
        close(c, a.astype(float) @ b + e[:, None].astype(float) * rows, f"{n}x{m}x{k}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_accumulates_into_itself(dtype: type, rng: np.random.Generator) -> None:
    for n, m, k in [(1, 1, 1), (15, 9, 4), (29, 64, 20), (55, 131, 7), (30, 144, 55)]:
        a, b = draw(rng, n, k, dtype=dtype), draw(rng, k, m, dtype=dtype)
        e, c = draw(rng, n, dtype=dtype), draw(rng, n, m, dtype=dtype)
        expected = a.astype(float) @ b + e[:, None].astype(float) * c
        _core.product(a, b, e, None, PLAIN, c)
        close(c, expected, f"{n}x{m}x{k}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_in_its_row(dtype: type) -> None:
    """A NaN in one row of a reaches that row of c and no other."""
    a, b = np.ones((15, 6), dtype), np.ones((6, 41), dtype)
    a[7, 3] = np.nan
    c = np.empty((15, 41), dtype)
    _core.product(a, b, None, None, PLAIN, c)
    assert np.isnan(c[7]).all()
    assert (np.delete(c, 7, axis=0) == 6).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [5, 32, 49, 100])
def test_two_terms_one_transposed(m: int, dtype: type, rng: np.random.Generator) -> None:
    for n in ROWS:
        a, b = draw(rng, n, 11, dtype=dtype), draw(rng, 11, m, dtype=dtype)
        at, bt = draw(rng, 33, n, dtype=dtype), draw(rng, 33, m, dtype=dtype)
        c = np.full((n, m), np.nan, dtype)
        _core.product_two_terms(a, b, at, bt, c)
        close(c, a.astype(float) @ b + at.T.astype(float) @ bt, f"{n}x{m}")


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("hints", [PLAIN, STREAM])
def test_any_start_within_a_cache_line(
    hints: int, in_place: bool, rng: np.random.Generator
) -> None:
    """Operands and results that start anywhere: the same bits, nothing written beside them."""
    n, m, k = 16, 144, 9
    a, b, e, c = draw(rng, n, k), draw(rng, k, m), draw(rng, n), draw(rng, n, m)
    seen = set()
    for skip in range(16):
        from_b, to_c = aligned(1, k * m + 16, np.float32)[0], aligned(1, n * m + 32, np.float32)[0]
        from_b[skip : skip + k * m] = b.ravel()
        inside = slice(skip, skip + n * m)
        to_c[inside] = c.ravel()
        _core.product(
            a,
            from_b[skip : skip + k * m].reshape(k, m),
            e if in_place else None,
            None,
            hints,
            to_c[inside].reshape(n, m),
        )
        seen.add(to_c[inside].tobytes())
        assert np.isnan(np.delete(to_c, inside)).all(), skip
    assert len(seen) == 1


def test_sums_do_not_depend_on_the_tile(rng: np.random.Generator) -> None:
    """An element has the same bits whichever tile computed it."""
    a, b = draw(rng, 40, 30), draw(rng, 30, 200)
    whole = np.empty((40, 200), np.float32)
    _core.product(a, b, None, None, PLAIN, whole)
    for n, m in [(1, 8), (3, 24), (13, 48), (15, 56), (40, 64), (9, 190)]:
        part = np.empty((n, m), np.float32)
        _core.product(a[:n].copy(), b[:, :m].copy(), None, None, PLAIN, part)
        assert (part == whole[:n, :m]).all(), (n, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 7, 16, 17, 32, 83])
def test_transpose(d: int, dtype: type, rng: np.random.Generator) -> None:
    for n, m in [(1, 1), (4, 8), (9, 9), (13, 16), (55, 56), (64, 64)]:
        x = draw(rng, n, d, dtype=dtype)
        xt = np.full((d, m), np.nan, dtype)
        _core.transpose(x, xt)
        assert (xt[:, :n] == x.T).all(), (n, m)
        assert (xt[:, n:] == 0).all(), (n, m)


def test_transpose_refuses_fewer_columns_than_rows() -> None:
    with pytest.raises(ValueError, match="transpose"):
        _core.transpose(np.ones((4, 2)), np.ones((2, 3)))


@pytest.mark.skipif(sys.platform != "linux", reason="closes pages with mprotect")
@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_is_touched(at_end: bool, rng: np.random.Generator) -> None:
    for n, m, k in [(1, 1, 1), (3, 5, 2), (15, 9, 17), (29, 57, 33), (14, 83, 3), (7, 100, 16)]:
        arrays = [draw(rng, *shape) for shape in [(n, k), (k, m), (n,), (n, m), (n, m)]]
        a, b, e, rows, c = (guarded(array, at_end) for array in arrays)
        for hints in (PLAIN, STREAM, FETCH):
            _core.product(a, b, e, rows, hints, c)
        _core.product_two_terms(a, b, guarded(a.T, at_end), b, c)
        xt = guarded(np.empty((k, n + 3), np.float32), at_end)
        _core.transpose(guarded(a, at_end), xt)


def test_peak_counts_flop() -> None:
    flop = np.empty(3)
    _core.fma_peak(10, flop)
    assert flop[0] > 0
    assert flop[0] % (2 * 12 * 10) == 0
    assert (flop == flop[0]).all()


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa: str) -> None:
    """This file again, with one instruction set forced."""
    if isa == _core.config()["isa"]:
        pytest.skip("already ran")
    run_again(__file__, isa, {**os.environ, "CSPARC_ISA": isa})
