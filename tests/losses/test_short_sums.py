"""GLoRIA and PACL where the patches that are weighed nearly cancel: float32 against float64."""

from __future__ import annotations

import numpy as np
import pytest

import csparc

B, P, L, D = 8, 49, 12, 64
SLACK = 1.5e-7
"""Relative error of a gradient times the ratio of a sum's length to its patches' lengths; half of
it was seen."""


def centred(rng, ratio):
    """Patches whose mean is ``ratio`` of a patch's length, and tokens."""
    patches, tokens = rng.normal(size=(B, P, D)), rng.normal(size=(B, L, D))
    patches -= patches.mean(1, keepdims=True)
    return patches + ratio * rng.normal(size=(B, 1, D)), tokens


def assert_near(loss, arrays, ratio, **options):
    """Value and gradients in float32 against those in float64 of the same numbers."""
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    double = {name: array.astype(np.float64) for name, array in single.items()}
    found = loss(**single, **options, grad=True)
    expected = loss(**double, **options, grad=True)
    most = max(SLACK / ratio, 1e-5)
    assert found.local_loss == pytest.approx(expected.local_loss, rel=most)
    for name in set(arrays) - {"image_global"}:
        wrong = np.linalg.norm(np.float64(found.grads[name]) - expected.grads[name])
        assert wrong <= most * np.linalg.norm(expected.grads[name]), name
    assert found.loss == loss(**single, **options).loss


@pytest.mark.parametrize("attention", ["regions", "words_then_regions"])
@pytest.mark.parametrize("ratio", [1, 0.1, 0.02, 0.009, 1e-3, 1e-4])
def test_gloria(attention, ratio, rng):
    patches, tokens = centred(rng, ratio)
    arrays = {"patches": patches, "tokens": tokens}
    arrays |= {"image_global": tokens[:, 0], "text_global": tokens[:, 0]}
    assert_near(
        csparc.gloria_loss, arrays, ratio, attention=attention, attention_scale=1e-6,
        global_weight=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("ratio", [1, 0.1, 0.02, 0.009, 1e-3, 1e-4])
def test_pacl(weights, ratio, rng):
    patches, tokens = centred(rng, ratio)
    arrays = {"patches": patches, "text_global": tokens[:, 0]}
    assert_near(csparc.pacl_loss, arrays, ratio, weights=weights, weight_scale=1e-6)


def test_centred_patches_under_even_weights():
    """What is left is what the weights differ by: 1e-4 of a patch and less."""
    rng = np.random.default_rng(0)
    patches, tokens = centred(rng, 0)
    arrays = {"patches": 0.01 * patches, "tokens": 0.01 * tokens}
    arrays |= {"image_global": tokens[:, 0], "text_global": tokens[:, 0]}
    assert_near(csparc.gloria_loss, arrays, 7e-5)
    whole = {"patches": patches, "text_global": tokens[:, 0]}
    assert_near(csparc.pacl_loss, whole, 2e-4, weight_scale=0.01)
