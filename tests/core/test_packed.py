"""Linear layers with weights beyond a core's caches: values, and bits that no cut changes."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import pytest
from half_numbers import rounded
from other_isa import run_again
from tolerances import OP, assert_close

import csparc
from csparc import _core

SIZES = [(1, 512, 512), (50, 768, 384), (13, 777, 333), (0, 512, 512), (64, 1500, 263),
         (460, 513, 331), (30, 8, 20_000), (30, 20_000, 9), (128, 1600, 470),
         (129, 1600, 1060)]  # fmt: skip
"""Rows, inputs, outputs: few of each, one above whole tiles, panels, strips, depths, and the most
rows that are turned."""


class Layer(NamedTuple):
    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    residual: np.ndarray
    dy: np.ndarray


class Results(NamedTuple):
    y: np.ndarray
    dx: np.ndarray
    dweight: np.ndarray
    dbias: np.ndarray


def draw(rng: np.random.Generator, n: int, k: int, m: int) -> Layer:
    shapes = ((n, k), (m, k), (m,), (n, m), (n, m))
    return Layer(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


def run(layer: Layer, bf16: bool = False) -> Results:
    y, dx = np.full_like(layer.residual, np.nan), np.full_like(layer.x, np.nan)
    dweight, dbias = np.ones_like(layer.weight), np.ones_like(layer.bias)
    _core.linear_forward(layer.x, layer.weight, layer.bias, layer.residual, None, bf16, y)
    _core.linear_backward(layer.x, layer.weight, layer.dy, bf16, dx, dweight, dbias)
    return Results(y, dx, dweight, dbias)


def expected(layer: Layer, bf16: bool) -> Results:
    form = rounded if bf16 else np.asarray
    x, weight, dy = (form(a).astype(float) for a in (layer.x, layer.weight, layer.dy))
    y = x @ weight.T + layer.bias + layer.residual
    return Results(y, dy @ weight, 1 + dy.T @ x, 1 + layer.dy.astype(float).sum(axis=0))


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_value(sizes: tuple[int, int, int], bf16: bool, rng: np.random.Generator) -> None:
    layer = draw(rng, *sizes)
    for name, found, wanted in zip(
        Results._fields, run(layer, bf16), expected(layer, bf16), strict=True
    ):
        assert_close(found, wanted, OP[np.dtype(np.float32)], name)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("sizes", [SIZES[2], SIZES[5], SIZES[8], (200, 70, 30)])
def test_same_bits_on_any_threads(
    sizes: tuple[int, int, int], bf16: bool, rng: np.random.Generator
) -> None:
    layer = draw(rng, *sizes)
    seen = set()
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        seen.add(b"".join(array.tobytes() for array in run(layer, bf16)))
    assert len(seen) == 1


@pytest.mark.parametrize("rows", [3, 61, 200])
def test_bits_are_those_of_tiles(rows: int, rng: np.random.Generator) -> None:
    layer = draw(rng, rows, 1100, 333)._replace(bias=np.zeros(333, np.float32))
    found = run(layer)
    y, dx, dweight = np.empty_like(found.y), np.empty_like(found.dx), np.empty_like(found.dweight)
    _core.product(layer.x, layer.weight.T.copy(), None, layer.residual, 0, y)
    _core.product(layer.dy, layer.weight, None, None, 0, dx)
    _core.product(layer.dy.T.copy(), layer.x, None, np.ones_like(dweight), 0, dweight)
    assert found.y.tobytes() == y.tobytes()
    assert found.dx.tobytes() == dx.tobytes()
    assert found.dweight.tobytes() == dweight.tobytes()


def test_bfloat16_is_for_float32_alone() -> None:
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="linear_forward"):
        _core.linear_forward(x, np.ones((4, 3)), None, None, None, True, np.empty((2, 4)))


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_every_instruction_set(isa: str) -> None:
    """This file again, with one instruction set forced."""
    if isa == _core.config()["isa"]:
        pytest.skip("already ran")
    run_again(__file__, isa, {**os.environ, "CSPARC_ISA": isa})
