"""What the cases of op_cases.py do not say about the layers' ops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tolerances import OP, assert_close

from csparc import _core


@pytest.mark.parametrize("size", [1, 33, 40000])
def test_add_and_accumulate(size: int, rng: np.random.Generator) -> None:
    x, y, z = rng.normal(size=size), rng.normal(size=size), np.empty(size)
    _core.add(x, y, z)
    np.testing.assert_array_equal(z, x + y)
    expected = y + x
    _core.accumulate(x, y)
    np.testing.assert_array_equal(y, expected)


def test_gelu_keeps_relative_accuracy_in_its_tail() -> None:
    x = np.linspace(-12.0, 12.0, 4801).astype(np.float32)
    y = np.empty_like(x)
    _core.gelu_forward(x, y)
    exact = np.array([v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x.astype(np.float64)])
    # exp(-x^2/2) in float amplifies the rounding of its argument, up to 72 at |x| = 12.
    bound = OP[np.dtype(np.float32)] * np.maximum(1.0, x**2 / 2) * np.abs(exact)
    assert np.all(np.abs(y - exact) <= bound)


def test_gelu_of_extremes() -> None:
    x = np.array([np.nan, np.inf, 1e30, -1e30, -50.0, 0.0], np.float32)
    y = np.empty_like(x)
    _core.gelu_forward(x, y)
    assert np.isnan(y[0])
    np.testing.assert_array_equal(y[1:], np.array([np.inf, 1e30, 0, 0, 0], np.float32))


def test_gelu_tanh_of_extremes() -> None:
    x = np.array([np.nan, np.inf, 1e30, -1e30, -50.0, 0.0], np.float32)
    y, dx = np.empty_like(x), np.empty_like(x)
    _core.gelu_tanh_forward(x, y)
    _core.gelu_tanh_backward(x, np.ones_like(x), dx)
    assert np.isnan(y[0])
    assert np.isnan(dx[0])
    np.testing.assert_array_equal(y[1:], np.array([np.inf, 1e30, 0, 0, 0], np.float32))
    np.testing.assert_array_equal(dx[1:], np.array([1, 1, 0, 0, 0.5], np.float32))


THREE = np.array([0, 3], np.int32)
EVERYTHING = (0, 0, 0, 0)
"""Not causal, no window."""


def test_attention_of_a_row_without_keys_is_zero() -> None:
    qkv = np.ones((3, 3, 4))
    y, lse, dqkv = np.full((3, 2, 2), 7.0), np.empty((2, 3)), np.full_like(qkv, 7.0)
    valid = np.zeros(3, np.uint8)
    _core.attention_forward(qkv, THREE, valid, *EVERYTHING, y, lse)
    _core.attention_backward(qkv, THREE, valid, *EVERYTHING, y, lse, np.ones_like(y), dqkv)
    assert not y.any()
    assert not dqkv.any()
    assert np.isneginf(lse).all()


def test_attention_of_large_scores(rng: np.random.Generator) -> None:
    qkv = (300.0 * rng.normal(size=(9, 3, 8))).astype(np.float32)
    offsets = np.array([0, 9], np.int32)
    y, lse = np.empty((9, 2, 4), np.float32), np.empty((2, 9), np.float32)
    dqkv = np.empty_like(qkv)
    _core.attention_forward(qkv, offsets, None, *EVERYTHING, y, lse)
    _core.attention_backward(qkv, offsets, None, *EVERYTHING, y, lse, np.ones_like(y), dqkv)
    assert np.isfinite(y).all()
    assert np.isfinite(dqkv).all()


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 4], [0, 2, 1, 3], [0, -1, 3], [3]])
def test_attention_refuses_wrong_offsets(offsets: list[int]) -> None:
    qkv, y, lse = np.ones((3, 3, 4)), np.empty((3, 2, 2)), np.empty((2, 3))
    with pytest.raises(ValueError, match="a value is out of range"):
        _core.attention_forward(qkv, np.array(offsets, np.int32), None, *EVERYTHING, y, lse)


def test_wrong_shapes_and_indices_are_errors() -> None:
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.attention_forward(
            np.ones((3, 3, 5)), THREE, None, *EVERYTHING, np.empty((3, 2, 2)), np.empty((2, 3))
        )
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.attention_forward(
            np.ones((3, 3, 4)), THREE[:0], None, *EVERYTHING, np.empty((3, 2, 2)), np.empty((2, 3))
        )
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.patchify_forward(np.ones((1, 3, 5, 4)), 2, np.empty((1, 4, 12)))
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match="out of range"):
            _core.embed_forward(np.ones((3, 2)), np.array([0, wrong], np.int32), np.empty((2, 2)))


def test_gradients_not_asked_for_are_not_computed(rng: np.random.Generator) -> None:
    x, weight, dy = rng.normal(size=(6, 4)), rng.normal(size=(3, 4)), rng.normal(size=(6, 3))
    dx, dweight = np.empty_like(x), np.zeros_like(weight)
    _core.linear_backward(x, weight, dy, False, dx, None, None)
    _core.linear_backward(x, weight, dy, False, None, dweight, None)
    assert_close(dx, dy @ weight, OP[np.dtype(np.float64)])
    assert_close(dweight, dy.T @ x, OP[np.dtype(np.float64)])


def test_no_images_add_nothing_and_pool_to_nothing() -> None:
    none, weight, bias = np.empty((0, 4, 4, 2)), np.ones((3, 2, 3, 3)), np.ones(3)
    _core.conv_forward(none, weight, bias, 2, np.empty((0, 2, 2, 3)))
    dweight, dbias = np.ones_like(weight), np.ones_like(bias)
    _core.conv_backward(none, weight, 2, np.empty((0, 2, 2, 3)), none.copy(), dweight, dbias)
    assert (dweight == 1).all()
    assert (dbias == 1).all()
    q, kv, dq = np.ones((1, 2, 2, 3)), np.empty((0, 5, 2, 6)), np.full((1, 2, 2, 3), 7.0)
    y, lse = np.empty((0, 2, 2, 3)), np.empty((0, 2, 2))
    _core.attention_pool_forward(q, kv, None, y, lse)
    _core.attention_pool_backward(q, kv, None, y, lse, y.copy(), dq, kv.copy())
    assert not dq.any()


def test_conv_gradients_that_are_not_asked_for(rng: np.random.Generator) -> None:
    """Each alone is what it is with the others."""
    x, weight, dy = (rng.normal(size=n) for n in ((3, 4, 6, 5), (7, 5, 3, 3), (3, 2, 3, 7)))
    whole = [np.empty_like(x), np.zeros_like(weight), np.zeros(7)]
    _core.conv_backward(x, weight, 2, dy, *whole)
    for wanted in range(3):
        alone = [np.zeros_like(a) if i == wanted else None for i, a in enumerate(whole)]
        _core.conv_backward(x, weight, 2, dy, *alone)
        np.testing.assert_array_equal(alone[wanted], whole[wanted])


def test_convolutions_and_grids_refuse_sizes_that_do_not_fit() -> None:
    x, weight = np.ones((1, 4, 6, 2)), np.ones((3, 2, 3, 3))
    for stride, rows in ((2, 3), (1, 2)):
        with pytest.raises(ValueError, match="shapes do not agree"):
            _core.conv_forward(x, weight, None, stride, np.empty((1, rows, 3, 3)))
    for stride in (0, 3, -1):
        with pytest.raises(ValueError, match="'stride' is"):
            _core.conv_forward(x, weight, None, stride, np.empty((1, 4, 6, 3)))
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.conv_forward(np.ones((2, 0, 6, 2)), weight, None, 1, np.empty((2, 0, 6, 3)))
    qkv, y, lse = np.ones((9, 3, 4)), np.empty((9, 2, 2)), np.empty((2, 9))
    offsets, valid = np.array([0, 9], np.int32), np.ones(9, np.uint8)
    good = (None, 0, 3, 4, 1)  # two rows of four patches, a register
    _core.attention_forward(qkv, offsets, *good, y, lse)
    for wrong in (
        (None, 0, 2, 4, 1), (None, 0, 3, 4, 2), (None, 0, 3, 0, 1), (None, 0, 3, 4, 10),
        (None, 1, 3, 4, 1), (valid, 0, 3, 4, 1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="a value is out of range"):
            _core.attention_forward(qkv, offsets, *wrong, y, lse)
    with pytest.raises(ValueError, match="'window' is -3"):
        _core.attention_forward(qkv, offsets, None, 0, -3, 4, 1, y, lse)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.attention_pool_forward(
            np.ones((2, 1, 2, 3)), np.ones((3, 4, 2, 6)), None, np.ones((3, 1, 2, 3)),
            np.ones((3, 2, 1)),
        )  # fmt: skip
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.append_forward(np.ones((2, 3, 4)), np.ones((2, 4)), np.empty((2, 6, 4)))
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.append_backward(np.ones((2, 3, 4)), None, np.ones((5, 4)))
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.leading_forward(np.ones((2, 3, 4)), np.empty((2, 4, 4)))
    with pytest.raises(ValueError, match="shapes do not agree"):
        _core.position_forward(np.ones((2, 3, 4)), np.ones((5, 4)), np.empty((2, 3, 4)))


def test_no_rows_add_nothing_to_parameter_gradients() -> None:
    rows, weight, grad, bias = np.empty((0, 3)), np.ones((2, 3)), np.ones((2, 3)), np.ones(2)
    _core.linear_backward(rows, weight, np.empty((0, 2)), False, rows.copy(), grad, bias)
    none, scale, dscale, dshift = np.empty(0), np.ones(3), np.ones(3), np.ones(3)
    _core.layernorm_backward(rows, scale, none, none, rows, rows.copy(), dscale, dshift)
    for array in (grad, bias, dscale, dshift):
        assert (array == 1).all()
