"""Products of bfloat16 agree with plain NumPy, by the instruction and by its twin.

Sizes lie around every tile; the two are held against each other; no access leaves the operands.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from guarded import guarded
from half_numbers import bits, rounded
from other_isa import run_again, run_code
from tolerances import BF16_TWIN, OP, assert_close

from csparc import _core

PLAIN, STREAM, FETCH = 0, 1, 2
ROWS = [1, 2, 7, 12, 13, 14, 15, 29, 61]
COLUMNS = [1, 3, 4, 7, 8, 9, 16, 23, 24, 31, 32, 33, 40, 47, 56, 63, 64, 65, 72, 97, 131]
INNER = [1, 2, 15, 16, 33, 110]


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def rows_of(x: np.ndarray) -> np.ndarray:
    """[N, D] -> [N, (D + 1) / 2], two numbers along D to a word."""
    rows = np.full((x.shape[0], (x.shape[1] + 1) // 2), 0xDEADBEEF, np.uint32)
    _core.bf16_of_floats(x, rows, None)
    return rows


def stack_of(x: np.ndarray) -> np.ndarray:
    """[N, D] -> [(N + 1) / 2, D], two numbers along N to a word."""
    stack = np.full(((x.shape[0] + 1) // 2, x.shape[1]), 0xDEADBEEF, np.uint32)
    _core.bf16_of_floats(x, None, stack)
    return stack


def close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert_close(found, expected, OP[np.dtype(np.float32)], what)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In float64, of rounded operands."""
    return rounded(a).astype(float) @ rounded(b).astype(float)


@pytest.mark.parametrize("n", [1, 2, 5, 14])
@pytest.mark.parametrize("d", [1, 2, 15, 16, 17, 64, 83])
def test_forms_round_to_the_nearest(n: int, d: int, rng: np.random.Generator) -> None:
    x = draw(rng, n, d) * np.float32(10) ** rng.integers(-30, 30, (n, d)).astype(np.float32)
    padded = np.zeros((n + n % 2, d + d % 2), np.float32)
    padded[:n, :d] = rounded(x)
    expected = bits(padded).astype(np.uint32)
    rows, stack = rows_of(x), stack_of(x)
    assert (rows == (expected[:n, ::2] | expected[:n, 1::2] << 16)).all()
    assert (stack == (expected[::2, :d] | expected[1::2, :d] << 16)).all()


def test_ties_go_to_even_and_ends_of_the_range() -> None:
    one = np.float32(1)
    step = np.float32(2**-7)
    x = np.array([[one + step / 2, one + 3 * step / 2, -one - step / 2, 3.4e38, np.inf, -np.inf]])
    expected = [one, one + 2 * step, -one, np.inf, np.inf, -np.inf]
    back = np.empty(6, np.float32)
    _core.floats_of_bf16(rows_of(x.astype(np.float32)).view(np.uint16)[0], back)
    assert (back == expected).all()


@pytest.mark.parametrize("pattern", [0x7F800001, 0x7FFFFFFF, 0xFF800001, 0x7FC00000])
def test_nan_stays_nan(pattern: int) -> None:
    x = np.array([[pattern] * 33], np.uint32).view(np.float32)
    back = np.empty(34, np.float32)
    _core.floats_of_bf16(rows_of(x).view(np.uint16)[0], back)
    assert np.isnan(back[:33]).all()
    assert back[33] == 0


@pytest.mark.parametrize("d", [1, 2, 16, 33, 83, 130])
@pytest.mark.parametrize("masked", [False, True])
def test_forms_of_bits(d: int, masked: bool, rng: np.random.Generator) -> None:
    for n in (1, 2, 7, 12):
        x = rounded(draw(rng, n, d))
        valid = np.ones(n, np.uint8)
        if masked:
            valid[1::3] = 0
        kept = x[valid != 0]
        rows = np.full((n, (d + 1) // 2), 1, np.uint32)
        stack = np.full(((n + 1) // 2, d), 1, np.uint32)
        _core.bf16_of_bits(bits(x), valid if masked else None, rows, stack)
        assert (rows[: len(kept)] == rows_of(kept)).all()
        assert (stack[: (len(kept) + 1) // 2] == stack_of(kept)).all()
        back = np.empty(n * d, np.float32)
        _core.floats_of_bf16(bits(x).ravel(), back)
        assert (back == x.ravel()).all()
        total = x[0].copy()
        _core.bf16_add(3.0, bits(x), total)
        close(total, x[0] + 3 * x.sum(0, dtype=float), f"{n}x{d}")


def test_transposed_rows(rng: np.random.Generator) -> None:
    for n, d, m in [(1, 2, 8), (5, 7, 8), (13, 33, 16), (55, 64, 56)]:
        rows = rows_of(draw(rng, n, d))
        turned = np.full((rows.shape[1], m), 1, np.uint32)
        _core.bf16_transpose(rows, turned)
        assert (turned[:, :n] == rows.T).all()
        assert (turned[:, n:] == 0).all()


@pytest.mark.parametrize("m", COLUMNS)
def test_product(m: int, rng: np.random.Generator) -> None:
    for n in ROWS:
        for k in INNER:
            a, b = draw(rng, n, k), draw(rng, k, m)
            c = np.full((n, m), np.nan, np.float32)
            _core.bf16_product(rows_of(a), stack_of(b), None, None, FETCH, c)
            close(c, product(a, b), f"{n}x{m}x{k}")


@pytest.mark.parametrize("hints", [PLAIN, STREAM, FETCH])
def test_added_rows(hints: int, rng: np.random.Generator) -> None:
    for n, m, k in [(1, 1, 1), (15, 9, 4), (29, 64, 20), (55, 131, 7), (30, 144, 55)]:
        a, b, e, rows = draw(rng, n, k), draw(rng, k, m), draw(rng, n), draw(rng, n, m)
        c = np.full((n, m), np.nan, np.float32)
        _core.bf16_product(rows_of(a), stack_of(b), e, rows, hints, c)
        close(c, product(a, b) + e[:, None].astype(float) * rows, f"{n}x{m}x{k}")


@pytest.mark.parametrize("m", [5, 32, 49, 100])
def test_two_terms_one_transposed(m: int, rng: np.random.Generator) -> None:
    for n in ROWS:
        a, b, at, bt = draw(rng, n, 11), draw(rng, 11, m), draw(rng, 33, n), draw(rng, 33, m)
        c = np.full((n, m), np.nan, np.float32)
        _core.bf16_product_two_terms(rows_of(a), stack_of(b), stack_of(at), stack_of(bt), c)
        close(c, product(a, b) + product(at.T, bt), f"{n}x{m}")


def test_nan_stays_in_its_row() -> None:
    a, b = np.ones((15, 6), np.float32), np.ones((6, 41), np.float32)
    a[7, 3] = np.nan
    c = np.empty((15, 41), np.float32)
    _core.bf16_product(rows_of(a), stack_of(b), None, None, PLAIN, c)
    assert np.isnan(c[7]).all()
    assert (np.delete(c, 7, axis=0) == 6).all()


@pytest.mark.skipif(sys.platform != "linux", reason="closes pages with mprotect")
@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_is_touched(at_end: bool, rng: np.random.Generator) -> None:
    for n, m, k in [(1, 1, 1), (3, 5, 2), (15, 9, 17), (29, 57, 33), (14, 83, 3), (7, 100, 16)]:
        plain = [draw(rng, *shape) for shape in [(n, k), (k, m), (n,), (n, m), (n, m)]]
        a, b, e, rows, c = (guarded(array, at_end) for array in plain)
        a_rows, a_stack = guarded(rows_of(a), at_end), guarded(stack_of(a.T.copy()), at_end)
        b_stack = guarded(stack_of(b), at_end)
        _core.bf16_of_floats(a, a_rows, None)
        _core.bf16_of_floats(b, None, b_stack)
        for hints in (PLAIN, STREAM, FETCH):
            _core.bf16_product(a_rows, b_stack, e, rows, hints, c)
        _core.bf16_product_two_terms(a_rows, b_stack, a_stack, b_stack, c)
        half = guarded(bits(rounded(a)), at_end)
        stack = guarded(stack_of(a), at_end)
        _core.bf16_of_bits(half, None, a_rows, stack)
        _core.floats_of_bf16(guarded(half.ravel(), at_end), guarded(a.ravel(), at_end))
        _core.bf16_add(1.0, half, guarded(a[0], at_end))
        turned = guarded(np.zeros((a_rows.shape[1], n + 3), np.uint32), at_end)
        _core.bf16_transpose(a_rows, turned)


def test_peak_counts_flop() -> None:
    flop = np.empty(3)
    _core.bf16_peak(10, flop)
    assert flop[0] > 0
    assert flop[0] % (4 * 12 * 10) == 0
    assert (flop == flop[0]).all()


def one_product(path: str) -> None:
    rng = np.random.default_rng(3)
    a, b = draw(rng, 61, 700), draw(rng, 700, 131)
    c = np.empty((61, 131), np.float32)
    _core.bf16_product(rows_of(a), stack_of(b), None, None, PLAIN, c)
    np.save(path, c)


def plain_environment(isa: str | None = None) -> dict[str, str]:
    forced = {**os.environ, "CSPARC_BF16": "plain"}
    return forced if isa is None else {**forced, "CSPARC_ISA": isa}


def test_twin_agrees_with_the_instruction(tmp_path: Path) -> None:
    if _core.config()["bfloat16"] == "plain":
        pytest.skip("this processor has no bfloat16 products")
    ours, twin = tmp_path / "ours.npy", tmp_path / "twin.npy"
    one_product(str(ours))
    code = f"import test_bf16_product; test_bf16_product.one_product({str(twin)!r})"
    run_code(code, __file__, plain_environment())
    assert not (np.load(ours) == np.load(twin)).all()
    assert_close(np.load(ours), np.load(twin), BF16_TWIN)


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa: str) -> None:
    """This file again on the plain twin, with one instruction set forced."""
    config = _core.config()
    if config["bfloat16"] == "plain" and isa == config["isa"]:
        pytest.skip("already ran")
    run_again(__file__, isa, plain_environment(isa))


def test_unknown_choice_is_refused() -> None:
    forced = {**os.environ, "CSPARC_BF16": "amx"}
    run = subprocess.run(
        [sys.executable, "-c", "import csparc"], env=forced, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "CSPARC_BF16 is 'amx'" in run.stderr
