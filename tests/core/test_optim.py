"""AdamW and the norms against plain NumPy in float64; the schedule; clipping; threads."""

from __future__ import annotations

import hashlib
import math
import os

import numpy as np
import pytest
from other_isa import run_again, run_code
from tolerances import FLOAT32, OP, assert_close

import csparc
from csparc import _core, optim
from csparc.nn import Parameter

SIZES = {"one": (1,), "odd": (37, 11), "long": (3, 9000)}


def parameters(dtype: type, rng: np.random.Generator) -> dict[str, Parameter]:
    made = {}
    for name, shape in SIZES.items():
        made[name] = Parameter(shape, np.dtype(dtype), decay=name == "odd")
        made[name].name = name
        made[name].data[...] = rng.normal(size=shape)
    return made


class PlainAdamW:
    """The equations, one line each, in float64."""

    def __init__(self, weights, decayed, betas, eps, decay):
        self.w = {n: w.astype(np.float64) for n, w in weights.items()}
        self.m = {n: np.zeros_like(w) for n, w in self.w.items()}
        self.v = {n: np.zeros_like(w) for n, w in self.w.items()}
        self.decayed, self.betas, self.eps, self.decay, self.t = decayed, betas, eps, decay, 0

    def step(self, grads, lr):
        self.t += 1
        b1, b2 = self.betas
        squares = 0.0
        for name, g in grads.items():
            self.m[name] = b1 * self.m[name] + (1 - b1) * g
            self.v[name] = b2 * self.v[name] + (1 - b2) * g**2
            mean = self.m[name] / (1 - b1**self.t)
            root = np.sqrt(self.v[name] / (1 - b2**self.t))
            u = lr * mean / (root + self.eps)
            if name in self.decayed:
                u = u + lr * self.decay * self.w[name]
            self.w[name] = self.w[name] - u
            squares += (u**2).sum()
        return math.sqrt(squares), math.sqrt(sum((w**2).sum() for w in self.w.values()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_are_those_of_plain_adamw(dtype: type, rng: np.random.Generator) -> None:
    tolerance = FLOAT32 if dtype is np.float32 else 1e2 * OP[np.dtype(dtype)]
    mine = parameters(dtype, rng)
    settings = {"betas": (0.8, 0.95), "eps": 1e-5, "weight_decay": 0.3}
    plain = PlainAdamW({n: p.data for n, p in mine.items()}, {"odd"}, (0.8, 0.95), 1e-5, 0.3)
    adamw = optim.AdamW(mine, **settings)
    for lr in (1e-2, 3e-2, 1e-3):
        grads = {name: rng.normal(size=shape).astype(dtype) for name, shape in SIZES.items()}
        for name, grad in grads.items():
            mine[name].grad += grad
        norm = adamw.clip(1.5)
        exact = math.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads.values()))
        assert norm == pytest.approx(exact, rel=tolerance)
        update, weight = adamw.step(lr)
        clipped = {n: g.astype(np.float64) * (1.5 / exact) for n, g in grads.items()}
        expected_update, expected_weight = plain.step(clipped, lr)
        assert update == pytest.approx(expected_update, rel=tolerance)
        assert weight == pytest.approx(expected_weight, rel=tolerance)
        for name, parameter in mine.items():
            assert_close(parameter.data, plain.w[name], tolerance, name)
            assert not parameter.grad.any()


def test_small_gradients_are_not_clipped(rng: np.random.Generator) -> None:
    once, twice = parameters(np.float64, rng), None
    twice = {n: Parameter(p.shape, p.data.dtype) for n, p in once.items()}
    for name, parameter in once.items():
        twice[name].data[...] = parameter.data
        twice[name].decay = parameter.decay
        parameter.grad[...] = twice[name].grad[...] = rng.normal(size=parameter.shape)
    first, second = optim.AdamW(once), optim.AdamW(twice)
    first.clip(1e9)
    second.clip(None)
    first.step(0.1)
    second.step(0.1)
    for name in once:
        np.testing.assert_array_equal(once[name].data, twice[name].data)


def test_frozen_parameters_stay(rng: np.random.Generator) -> None:
    mine = parameters(np.float32, rng)
    mine["one"].requires_grad = False
    adamw = optim.AdamW(mine)
    assert set(adamw.m) == {"odd", "long"}
    mine["odd"].requires_grad = False
    before = {name: parameter.data.copy() for name, parameter in mine.items()}
    mine["long"].grad[...] = 1.0
    adamw.step(0.1)
    np.testing.assert_array_equal(mine["one"].data, before["one"])
    np.testing.assert_array_equal(mine["odd"].data, before["odd"])
    assert not np.array_equal(mine["long"].data, before["long"])


def test_same_bits_on_any_threads(rng: np.random.Generator) -> None:
    w, g = (rng.normal(size=50_001).astype(np.float32) for _ in range(2))
    seen = []
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        weight, m, v, sums = w.copy(), np.zeros_like(w), np.zeros_like(w), np.empty(2)
        grad = g.copy()
        _core.adamw(0.1, 0.1, 0.9, 0.98, 1e-6, 10.0, 50.0, 1.0, grad, weight, m, v, sums)
        assert not grad.any()
        norm = optim.global_norm([g])
        seen.append((weight.tobytes(), m.tobytes(), v.tobytes(), sums.tobytes(), norm))
    assert all(bits == seen[0] for bits in seen)


def test_sum_of_squares_of_large_entries() -> None:
    x, total = np.full(3, 1e30, np.float32), np.empty(1)
    _core.sum_of_squares(x, total)
    assert total[0] == pytest.approx(3e60)
    _core.sum_of_squares(np.empty(0, np.float32), total)
    assert total[0] == 0.0


def test_cosine_warms_up_and_falls_to_zero() -> None:
    course = [optim.cosine(step, 2.0, 4, 24) for step in range(26)]
    np.testing.assert_allclose(course[:5], [0.5, 1.0, 1.5, 2.0, 2.0])
    assert course[14] == pytest.approx(1.0)
    assert course[24:] == [0.0, 0.0]
    assert np.all(np.diff(course[4:]) <= 0)
    assert optim.cosine(0, 1.0, 0, 0) == 0.0


def test_wrong_settings_are_errors() -> None:
    with pytest.raises(ValueError, match="betas"):
        optim.AdamW({}, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="eps"):
        optim.AdamW({}, eps=0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 33, 30_001])
def test_average_is_that_of_numpy(dtype: type, n: int, rng: np.random.Generator) -> None:
    weight, average = (rng.normal(size=n).astype(dtype) for _ in range(2))
    for rate in (0.0, 0.3, 1.0):
        expected = average + dtype(rate) * (weight - average)
        for threads in (1, 3):
            csparc.set_num_threads(threads)
            found = average.copy()
            _core.average(rate, weight, found)
            np.testing.assert_array_equal(found, expected)


def step_digest(n: int) -> str:
    """Of the bits of a step of AdamW, its sums, and a norm."""
    rng, digest = np.random.default_rng(n), hashlib.sha256()
    for dtype in (np.float32, np.float64):
        g, w, m, v = (rng.random(n).astype(dtype) for _ in range(4))
        sums, total = np.empty(2), np.empty(1)
        _core.adamw(1e-3, 0.2, 0.9, 0.98, 1e-6, 1.7, 1.3, 0.37, g, w, m, v, sums)
        _core.sum_of_squares(w, total)
        for array in (g, w, m, v, sums, total):
            digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_every_instruction_set(isa: str) -> None:
    """The same bits, and this file again, with one instruction set forced."""
    if isa == _core.config()["isa"]:
        pytest.skip("already ran")
    environment = {**os.environ, "CSPARC_ISA": isa}
    run_again(__file__, isa, environment)
    for n in (1, 31, 33, 511, 513, 8193, 20_001):
        code = f"import test_optim; assert test_optim.step_digest({n}) == {step_digest(n)!r}"
        run_code(code, __file__, environment)
