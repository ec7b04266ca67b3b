"""Gradients of a whole model, and their check against differences."""

from __future__ import annotations

import numpy as np
from small_model import FEATURES
from tolerances import FINITE_DIFFERENCE, OP_DIFFERENCE_STEP

from csparc.nn import Tape


def gradients(model, data, weights) -> dict[str, np.ndarray]:
    """Of the sum of all features times ``weights``, by parameter."""
    model.zero_grad()
    tape = Tape()
    out = model(*data, tape=tape)
    tape.backward({getattr(out, name): weights[name] for name in FEATURES})
    return {name: p.grad.copy() for name, p in model.parameters.items()}


def assert_gradients_are_differences(model, data, rng: np.random.Generator) -> None:
    """Every parameter, along a random direction, against fourth-order central differences."""
    out = model(*data)
    weights = {name: rng.normal(size=getattr(out, name).shape) for name in FEATURES}
    # Padded positions mean nothing; a loss does not read them.
    weights["tokens"][~data[2]] = 0.0
    found = gradients(model, data, weights)

    def value() -> float:
        out = model(*data)
        return sum(float(np.vdot(weights[n], getattr(out, n).data)) for n in FEATURES)

    for name, parameter in model.parameters.items():
        if name in ("logit_scale", "logit_bias"):
            continue
        direction = rng.normal(size=parameter.shape)
        direction /= np.linalg.norm(direction)
        start, h, values = parameter.data.copy(), OP_DIFFERENCE_STEP, {}
        for k in (-2, -1, 1, 2):
            parameter.data[...] = start + k * h * direction
            values[k] = value()
        parameter.data[...] = start
        numeric = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)
        analytic = float(np.vdot(found[name], direction))
        scale = max(np.linalg.norm(found[name]), 1e-3)
        assert abs(analytic - numeric) <= FINITE_DIFFERENCE * scale, name
