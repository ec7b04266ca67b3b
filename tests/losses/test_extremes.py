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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_the_largest_scale(name, dtype, rng, learned):
    """Logits are formed twice and round differently: no softmax may exceed 1."""
    for _ in range(3):
        call = call_of(name, draw(rng, dtype), learned, dtype)
        assert_finite(call(logit_scale=1e6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_lengths_from_1e_minus_12_to_1e12_side_by_side(name, dtype, rng, learned):
    for _ in range(10):
        batch = draw(rng, B=3, P=3, L=2)
        for array in batch.values():
            array *= 10.0 ** rng.integers(-12, 13, (*array.shape[:-1], 1))
        batch = {part: array.astype(dtype) for part, array in batch.items()}
        assert_finite(call_of(name, batch, learned, dtype)())


def radial_error(found, expected, arrays):
    """Largest error of a row's gradient times the row's length, relative to the largest such."""

    def sizes(grads):
        lengths = {name: np.linalg.norm(array, axis=-1) for name, array in arrays.items()}
        return {name: np.linalg.norm(grads[name], axis=-1) * lengths[name] for name in arrays}

    wrong = {name: np.float64(found.grads[name]) - expected.grads[name] for name in arrays}
    largest = max(size.max() for size in sizes(expected.grads).values())
    return max(size.max() for size in sizes(wrong).values()) / largest


@pytest.mark.parametrize("longest", [1e11, 1e12, 1e15])
def test_a_patch_of_length_1_beside_a_long_one_counts(longest):
    axes = np.eye(4)
    patches = np.float32(np.stack([axes[0], axes[1] * longest])[None])
    tokens = np.stack([axes[0] + 0.1 * axes[2], axes[1], axes[0] - 0.3 * axes[3]])[None]
    arrays = {"patches": patches.astype(np.float64), "tokens": np.float64(np.float32(tokens))}
    options = {"similarity": "cosine", "global_weight": 0, "grad": True}
    expected = csparc.sparc_loss(**arrays, **options)
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    found = csparc.sparc_loss(**single, **options)
    assert 0.4 < expected.local_loss < 0.5
    assert found.local_loss == pytest.approx(expected.local_loss, rel=1e-6)
    assert radial_error(found, expected, arrays) < 1e-5


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("normalizer", ["minmax_sparse", "softmax"])
def test_sparc_of_lengths_side_by_side_is_that_of_float64(similarity, normalizer, rng):
    options = {"similarity": similarity, "normalizer": normalizer, "global_weight": 0}
    for _ in range(30):
        batch = draw(rng, B=1, P=4, L=3)
        for array in batch.values():
            array *= 10.0 ** rng.integers(-12, 13, (*array.shape[:-1], 1))
        single = {name: batch[name].astype(np.float32) for name in ("patches", "tokens")}
        arrays = {name: array.astype(np.float64) for name, array in single.items()}
        expected = csparc.sparc_loss(**arrays, **options, grad=True)
        found = csparc.sparc_loss(**single, **options, grad=True)
        assert found.local_loss == pytest.approx(expected.local_loss, abs=1e-5)
        assert radial_error(found, expected, arrays) < 1e-4


@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("short", [1.1e-12, 2e-12, 1e-3])
@pytest.mark.parametrize("long", [1e3, 1e6, 1e8])
def test_pacl_of_inner_products_of_lengths_side_by_side_is_that_of_float64(
    weights, short, long, rng
):
    patches, texts = rng.normal(size=(3, 4, 13)), rng.normal(size=(3, 13))
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True)
    patches[:, 0] *= short
    patches[:, 1] *= long
    single = {"patches": np.float32(patches), "text_global": np.float32(texts)}
    arrays = {name: array.astype(np.float64) for name, array in single.items()}
    options = {"renormalize": False, "weights": weights, "logit_scale": 1e-6, "grad": True}
    found, expected = csparc.pacl_loss(**single, **options), csparc.pacl_loss(**arrays, **options)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    for name in arrays:
        wrong = np.linalg.norm(np.float64(found.grads[name]) - expected.grads[name], axis=-1)
        size = np.linalg.norm(expected.grads[name], axis=-1)
        assert np.isfinite(found.grads[name]).all()
        assert (wrong <= 1e-4 * size).all(), name
