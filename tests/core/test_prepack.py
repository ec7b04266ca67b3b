"""Weights prepacked for linear layers: the bits of layers without."""

from __future__ import annotations

import os

import numpy as np
import pytest
from half_numbers import rounded
from other_isa import run_again

import csparc
from csparc import _core

SIZES = [(1, 512, 512), (50, 768, 384), (13, 777, 333), (0, 512, 512), (64, 1500, 263),
         (30, 8, 20_000), (30, 20_000, 9), (128, 1600, 470), (129, 1600, 1060), (300, 1025, 101),
         (5, 2049, 40)]  # fmt: skip
"""Rows, inputs, outputs: few of each, rows below, at and above those taken at once, last panels of
every kind, one part of the inputs and several, of even and odd length."""


def prepacked(weight: np.ndarray, bf16: bool) -> np.ndarray:
    words = np.zeros(1, np.uint64)
    _core.linear_panels(weight, bf16, words)
    panels = np.full(int(words[0]), 0x7FC07FC0, np.uint32)  # NaN, as a float and as two bfloat16
    _core.linear_prepack(weight, bf16, panels)
    return panels


def layer(rng: np.random.Generator, n: int, k: int, m: int) -> list[np.ndarray]:
    """x, weight, bias and residual."""
    shapes = ((n, k), (m, k), (m,), (n, m))
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_same_bits(
    sizes: tuple[int, int, int], plain: bool, bf16: bool, rng: np.random.Generator
) -> None:
    x, weight, bias, residual = layer(rng, *sizes)
    panels = prepacked(weight, bf16)
    given = (None, None) if plain else (bias, residual)
    wanted = np.full_like(residual, np.nan)
    _core.linear_forward(x, weight, *given, None, bf16, wanted)
    for threads in (1, 2, 5):
        csparc.set_num_threads(threads)
        found = np.full_like(residual, np.nan)
        # What is not read may hold anything.
        _core.linear_forward(x, np.full_like(weight, np.nan), *given, panels, bf16, found)
        assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("bf16", [False, True])
def test_same_panels_on_any_threads(bf16: bool, rng: np.random.Generator) -> None:
    weight = layer(rng, 1, 2100, 520)[1]
    seen = set()
    for threads in (1, 2, 7):
        csparc.set_num_threads(threads)
        seen.add(prepacked(weight, bf16).tobytes())
    assert len(seen) == 1


def test_bfloat16_takes_half_the_memory(rng: np.random.Generator) -> None:
    weight = layer(rng, 1, 512, 640)[1]
    halves, floats = prepacked(weight, True), prepacked(weight, False)
    assert 2 * halves.nbytes == floats.nbytes == weight.nbytes
    low = (halves << 16).view(np.float32)
    assert set(low) == set(rounded(weight)[:, ::2].ravel())


def test_small_weights_in_float32_and_double_have_none(rng: np.random.Generator) -> None:
    assert prepacked(layer(rng, 1, 192, 128)[1], False).size == 0
    assert prepacked(layer(rng, 1, 193, 128)[1], False).size > 0
    assert prepacked(layer(rng, 1, 512, 640)[1].astype(float), False).size == 0


def test_panels_of_another_layer_are_refused(rng: np.random.Generator) -> None:
    x, weight, bias, _ = layer(rng, 3, 512, 640)
    y = np.empty((3, 640), np.float32)
    for panels in (prepacked(weight, True), prepacked(weight, False)[1:]):
        with pytest.raises(ValueError, match="linear_forward"):
            _core.linear_forward(x, weight, bias, None, panels, False, y)
    with pytest.raises(ValueError, match="linear_prepack"):
        _core.linear_prepack(weight, False, np.empty(7, np.uint32))
    with pytest.raises(ValueError, match="linear_prepack"):
        _core.linear_prepack(weight.astype(float), True, np.empty(0, np.uint32))


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_every_instruction_set(isa: str) -> None:
    """This file again, with one instruction set forced."""
    if isa == _core.config()["isa"]:
        pytest.skip("already ran")
    run_again(__file__, isa, {**os.environ, "CSPARC_ISA": isa})
