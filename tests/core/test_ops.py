"""Every op pair has the right value and gradient, and the same bits on any number of threads.

Values are held against plain NumPy, gradients against finite differences; gradients of parameters
accumulate.
"""

from __future__ import annotations

import numpy as np
import pytest
from op_case import OpCase
from op_cases import CASES
from tolerances import OP, OP_DIFFERENCE, OP_DIFFERENCE_STEP, assert_close

import csparc

IDS = [f"{case.op}-{case.label}" for case in CASES]


def buffers(case: OpCase, x: dict[str, np.ndarray], fill: float = 0.0) -> dict[str, np.ndarray]:
    return {name: np.full_like(x[name], fill) for name in case.parameters}


def draw_as(case: OpCase, rng: np.random.Generator, dtype: type) -> dict[str, np.ndarray]:
    return {
        name: value.astype(dtype) if value.dtype == np.float64 else value
        for name, value in case.draw(rng).items()
    }


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value(case: OpCase, dtype: type, rng: np.random.Generator) -> None:
    x = draw_as(case, rng, dtype)
    outputs, _ = case.forward(x)
    wide = {n: v.astype(np.float64) if v.dtype == dtype else v for n, v in x.items()}
    for name, expected in case.reference(wide).items():
        assert outputs[name].dtype == dtype
        assert_close(outputs[name], expected, OP[np.dtype(dtype)], name)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradient(case: OpCase, rng: np.random.Generator) -> None:
    """<d outputs, J v> from the backward equals the same from fourth-order central differences."""
    x = case.draw(rng)
    outputs, kept = case.forward(x)
    d = {name: rng.normal(size=value.shape) for name, value in outputs.items()}
    gradients = case.backward(x, kept, d, buffers(case, x))
    for name, gradient in gradients.items():
        direction = rng.normal(size=x[name].shape)

        def along(step: float, name: str = name, direction: np.ndarray = direction) -> float:
            moved, _ = case.forward({**x, name: x[name] + step * direction})
            return sum(float(np.vdot(d[key], moved[key])) for key in d)

        h = OP_DIFFERENCE_STEP
        numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        analytic = float(np.vdot(gradient, direction))
        scale = max(abs(numeric), float(np.linalg.norm(gradient)), 1e-3)
        assert abs(analytic - numeric) <= OP_DIFFERENCE * scale, (name, analytic, numeric)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_same_bits_on_any_threads(case: OpCase, rng: np.random.Generator) -> None:
    x = draw_as(case, rng, np.float32)
    d = None
    seen = []
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        outputs, kept = case.forward(x)
        if d is None:
            d = {n: rng.normal(size=v.shape).astype(np.float32) for n, v in outputs.items()}
        gradients = case.backward(x, kept, d, buffers(case, x))
        seen.append([v.tobytes() for v in (*outputs.values(), *gradients.values())])
    assert all(bits == seen[0] for bits in seen)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.parameters], ids=lambda case: f"{case.op}-{case.label}"
)
def test_parameter_gradients_accumulate(case: OpCase, rng: np.random.Generator) -> None:
    x = case.draw(rng)
    outputs, kept = case.forward(x)
    d = {name: rng.normal(size=value.shape) for name, value in outputs.items()}
    once = case.backward(x, kept, d, buffers(case, x))
    upon = case.backward(x, kept, d, buffers(case, x, fill=1.0))
    for name in case.parameters:
        assert_close(upon[name] - 1.0, once[name], OP[np.dtype(np.float64)] * 10, name)
