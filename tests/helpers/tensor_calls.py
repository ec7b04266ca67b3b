"""Every objective with small tensors, as the tests of csparc.torch and csparc.jax call it."""

from __future__ import annotations

import loss_batches
import numpy as np

from csparc.losses import LOSSES

B, P, L, D = 4, 9, 5, 8
WORDS = 7
SMALL = {
    "mgca": {"prototypes": 6, "width": 4},
    "filip": {"keep": 0.5},
    "clip+filip": {"keep": 0.5},
}
"""Options that keep an objective small, or let keys be dropped of so few."""


def batch(rng, loss: str, dtype=np.float64) -> dict[str, np.ndarray]:
    """The arrays that a loss reads, by name."""
    drawn = loss_batches.draw(rng, dtype, B, P, L, D)
    return {name: drawn[name] for name in LOSSES[loss].inputs if name in drawn}


def extra_texts(rng, dtype=np.float64) -> dict[str, np.ndarray]:
    """Vectors of captions without a picture, as many as pairs."""
    return {"extra_text_global": rng.normal(size=(B, D)).astype(dtype)}


def masks(rng, loss: str) -> dict[str, np.ndarray]:
    """Masks with holes for what a loss reads, and where it reads words, which they are."""
    text, patch = loss_batches.masks(rng, "holes", B, P, L)
    inputs = LOSSES[loss].inputs
    found = {"text_mask": text} if "tokens" in inputs else {}
    if "word_ids" in inputs:
        found["word_ids"] = rng.integers(0, WORDS, (B, L))
        found["lacks"] = rng.random((B, WORDS)) < 0.6
    return {**found, "patch_mask": patch} if "patches" in inputs else found


def options(loss: str, *, smooth: bool = False) -> dict:
    """``smooth``: without the terms that hold something constant in their gradient."""
    constant = {"prototype_weight": 0.0} if smooth and loss == "mgca" else {}
    return {**SMALL.get(loss, {}), **constant}


def made(loss: str, **more):
    """The objective as csparc has it, owning what it learns for width D."""
    built = LOSSES[loss](**options(loss), **more)
    built.prepare(D)
    return built


def owned(built) -> dict:
    """What a function takes for all that an objective learns, by argument name."""
    found: dict = {}
    for name, parameter in built.parameters.items():
        argument, _, entry = name.partition(".")
        value = built.value(name) if parameter.shape == (1,) else parameter.data
        if entry:
            found.setdefault(argument, {})[entry] = value
        else:
            found[argument] = value
    return found
