"""Every loss on vectors of wildly different lengths and at scales no training reaches: no NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loss_asserts import assert_finite
from loss_batches import draw

import csparc

DTYPES = [np.float32, np.float64]
K, H, D = 5, 8, 13


def calls(
    batch: dict[str, np.ndarray], projections: dict[str, np.ndarray], prototypes: np.ndarray
) -> dict[str, Callable[..., Any]]:
    """One call of each loss that takes its scales, by the loss's name."""
    whole = {name: batch[name] for name in ("image_global", "text_global")}
    local = {name: batch[name] for name in ("patches", "tokens")}
    shown = {"patches": batch["patches"], "text_global": batch["text_global"]}

    def attended(logit_scale: float = 10.0) -> Any:
        return csparc.mgca_loss(
            **batch, prototypes=prototypes, word_attention=projections,
            patch_attention=projections, logit_scale=logit_scale, local_logit_scale=logit_scale,
            grad=True,
        )  # fmt: skip

    def worded(attention: str) -> Callable[..., Any]:
        return lambda logit_scale=10.0: csparc.gloria_loss(
            **batch, attention=attention, logit_scale=logit_scale, local_logit_scale=logit_scale,
            grad=True,
        )  # fmt: skip

    return {
        "clip": lambda **scale: csparc.clip_loss(**whole, **scale, grad=True),
        "siglip": lambda **scale: csparc.siglip_loss(**whole, **scale, grad=True),
        "sparc": lambda **scale: csparc.sparc_loss(**batch, **scale, grad=True),
        "softmax": lambda **scale: csparc.sparc_loss(
            **batch, **scale, normalizer="softmax", grad=True
        ),
        "filip": lambda **scale: csparc.filip_loss(**local, **scale, grad=True),
        "clip+filip": lambda **scale: csparc.clip_filip_loss(**batch, **scale, grad=True),
        "word contrast": lambda **scale: csparc.word_contrast_loss(
            **local,
            word_ids=np.arange(local["tokens"][..., 0].size).reshape(len(local["tokens"]), -1),
            **scale,
            grad=True,
        ),
        "pacl": lambda **scale: csparc.pacl_loss(**shown, **scale, grad=True),
        "gloria": worded("regions"),
        "gloria words first": worded("words_then_regions"),
        "mgca": attended,
    }


LOSSES = [
    "clip", "siglip", "sparc", "softmax", "filip", "clip+filip", "pacl", "gloria",
    "gloria words first", "mgca", "word contrast",
]  # fmt: skip


@pytest.fixture
def learned(rng):
    sizes = {"query": (H, D), "key": (H, D), "value": (H, D), "out": (D, H)}
    projections = {name: rng.normal(size=size) for name, size in sizes.items()}
    prototypes = rng.normal(size=(K, D))
    return projections, prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)


def call_of(name, batch, learned, dtype):
    projections, prototypes = learned
    projections = {part: array.astype(dtype) for part, array in projections.items()}
    return calls(batch, projections, prototypes.astype(dtype))[name]


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e10), (np.float64, 1e20)])
@pytest.mark.parametrize("name", LOSSES)
def test_scales_beyond_the_digits_of_the_type(name, dtype, scale, rng, learned):
    """Logits are formed twice; where their rounding is above 1, no softmax may exceed 1."""
    for _ in range(3):
        call = call_of(name, draw(rng, dtype), learned, dtype)
        assert_finite(call(logit_scale=scale))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_lengths_from_1e_minus_12_to_1e12_side_by_side(name, dtype, rng, learned):
    for _ in range(10):
        batch = draw(rng, B=3, P=3, L=2)
        for array in batch.values():
            array *= 10.0 ** rng.integers(-12, 13, (*array.shape[:-1], 1))
        batch = {part: array.astype(dtype) for part, array in batch.items()}
        assert_finite(call_of(name, batch, learned, dtype)())
