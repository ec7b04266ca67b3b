"""Random batches, and gradients held against difference quotients."""

import numpy as np
import pytest
import tolerances


def make_batch(seed=0, B=3, P=7, L=5, D=6):
    rng = np.random.default_rng(seed)
    batch = {
        "patches": rng.normal(size=(B, P, D)),
        "tokens": rng.normal(size=(B, L, D)),
        "image_global": rng.normal(size=(B, D)),
        "text_global": rng.normal(size=(B, D)),
    }
    text_mask = rng.random((B, L)) < 0.7
    patch_mask = rng.random((B, P)) < 0.8
    text_mask[:, 1] = patch_mask[:, 2] = patch_mask[:, 4] = True
    return batch, text_mask, patch_mask


def directional(function, arguments, name, direction, step=1e-5):
    """Fourth-order central difference of a scalar function along one direction of one argument."""

    def at(distance):
        moved = {**arguments, name: arguments[name] + distance * step * direction}
        return function(**moved)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def check_gradients(function, arguments, grads, seed=1):
    """function(**arguments) -> scalar; every entry of grads against a difference quotient."""
    rng = np.random.default_rng(seed)
    for name, gradient in grads.items():
        direction = rng.normal(size=np.shape(arguments[name]))
        expected = np.sum(gradient * direction)
        found = directional(function, arguments, name, direction)
        assert found == pytest.approx(expected, rel=tolerances.FINITE_DIFFERENCE, abs=1e-9), name
