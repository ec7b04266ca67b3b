"""PACL in the C core (Gram form) against the float64 reference (pooled vectors formed)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches,
    assert_same_bits_for_any_threads,
)
from loss_batches import MASKS, draw, masks
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc import reference
from csparc.losses import pacl

ARRAYS = ("patches", "text_global")


def pair(rng, dtype=np.float64, **sizes):
    batch = draw(rng, dtype, **sizes)
    return {name: batch[name] for name in ARRAYS}


def check(batch, patch_mask, dtype, **options):
    """The core, with NaN where the mask says no, against the reference; also without gradients."""
    dirty = batch["patches"].copy()
    dirty[~patch_mask] = np.nan
    arguments = dict(patches=dirty, text_global=batch["text_global"], patch_mask=patch_mask)
    out = csparc.pacl_loss(**arguments, **options, grad=True)
    assert_matches(out, reference.pacl_loss(**batch, patch_mask=patch_mask, **options), dtype)
    assert not out.grads["patches"][~patch_mask].any()
    assert csparc.pacl_loss(**arguments, **options).loss == out.loss
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("weights", pacl.WEIGHTS)
@pytest.mark.parametrize("pool", pacl.POOLS)
@pytest.mark.parametrize("renormalize", [True, False])
def test_against_reference(dtype, kind, weights, pool, renormalize, rng):
    check(
        pair(rng, dtype), masks(rng, kind)[1], dtype, weights=weights, pool=pool,
        renormalize=renormalize, logit_scale=9.0, weight_scale=2.5,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 3), (1, 5, 4), (70, 3, 5), (5, 40, 2), (3, 196, 64)])
def test_sizes(dtype, shape, rng):
    B, P, D = shape
    batch = pair(rng, dtype, B=B, P=P, D=D)
    if B > 1:
        check(batch, np.ones((B, P), bool), dtype)
        return
    out = csparc.pacl_loss(**batch, grad=True)
    assert out.loss == 0
    assert not any(np.any(gradient) for gradient in out.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (2, 7), (11, 4), (50, 50)])
def test_any_tile(dtype, tile, rng, monkeypatch):
    monkeypatch.setattr(pacl, "TILE", tile)
    check(pair(rng, dtype, B=23), masks(rng, "empty", B=23)[1], dtype, logit_scale=5.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads(dtype, rng):
    batch = pair(rng, dtype, B=130, P=9, D=24)
    patch_mask = masks(rng, "holes", B=130, P=9)[1]
    assert_same_bits_for_any_threads(
        lambda: csparc.pacl_loss(**batch, patch_mask=patch_mask, grad=True)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_patches_zero_patches_zero_images(dtype, rng):
    batch = pair(rng, dtype)
    batch["patches"][0] = batch["patches"][0, 0]
    batch["patches"][1] = 0
    batch["patches"][2, 3] = 0
    batch["text_global"][3] = 0
    out = check(batch, np.ones((4, 17), bool), dtype)
    assert not out.grads["patches"][1].any()
    assert not out.grads["text_global"][3].any()


@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
@pytest.mark.parametrize("pool", pacl.POOLS)
def test_any_magnitude_is_finite(size, pool, rng):
    batch = pair(rng, np.float32, size=size)
    assert_finite(
        csparc.pacl_loss(**batch, pool=pool, logit_scale=100.0, weight_scale=100.0, grad=True)
    )


def test_a_common_power_of_two_changes_nothing(rng):
    batch = pair(rng, np.float32)
    plain = csparc.pacl_loss(**batch, grad=True)
    factor = np.float32(2.0**60)
    out = csparc.pacl_loss(batch["patches"] * factor, batch["text_global"], grad=True)
    assert_close(out.loss, plain.loss, FLOAT32)
    assert_close(out.grads["patches"].astype(np.float64) * 2.0**60, plain.grads["patches"], FLOAT32)


def test_opposite_patches_cannot_push_the_cosine_beyond_one(rng):
    """Pooled vectors that nearly cancel: the Gram form has few digits left, but stays bounded."""
    v = rng.normal(size=(3, 1, 8)).astype(np.float32)
    batch = {"patches": np.concatenate([v, -v], axis=1), "text_global": v[:, 0]}
    out = csparc.pacl_loss(**batch, weight_scale=1e-3, grad=True)
    assert_finite(out)
    bound = np.log(3) + 2 / 0.07
    assert 0 <= out.loss <= bound


def test_not_finite_input_is_not_hidden(rng):
    for name in ARRAYS:
        batch = pair(rng, np.float32)
        batch[name].reshape(4, -1)[1, 3] = np.nan
        assert np.isnan(csparc.pacl_loss(**batch).loss)


def test_no_image_at_all(rng):
    batch = pair(rng)
    out = csparc.pacl_loss(**batch, patch_mask=np.zeros((4, 17), bool), grad=True)
    assert out.loss == 0
    assert not any(np.any(gradient) for gradient in out.grads.values())
    assert csparc.pacl_loss(np.zeros((0, 3, 4)), np.zeros((0, 4)), grad=True).loss == 0


def test_errors_name_the_argument(rng):
    batch = pair(rng)
    for options, message in [
        ({"weight_scale": 0.0}, "weight_scale"), ({"weights": "hard"}, "weights: expected 'softm"),
        ({"pool": "mean"}, "pool"), ({"patch_mask": np.ones((4, 3))}, "patch_mask"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            csparc.pacl_loss(**batch, **options)
    with pytest.raises(TypeError, match="renormalize"):
        csparc.pacl_loss(**batch, renormalize="yes")


def test_object(rng):
    batch = pair(rng, np.float32)
    loss = csparc.PaclLoss(weight_scale=3.0, learn_weight_scale=True, pool="unit")
    out = loss(**batch, tokens=None, image_global=None, logit_scale=7.0, grad=True)
    options = dict(pool="unit", weight_scale=3.0, logit_scale=7.0)
    expected = csparc.pacl_loss(**batch, **options, grad=True)
    assert_close(out.loss, expected.loss, FLOAT32)
    loss.accumulate(out.grads)
    stored = loss.parameters["weight_scale"]
    assert_close(stored.grad, [3.0 * expected.grads["weight_scale"]], FLOAT32)
    stored.data[0] = 9.0
    loss.constrain()
    assert_close(loss.value("weight_scale"), 100.0, FLOAT32)
    options = json.loads(json.dumps(loss.config()))
    assert options.pop("loss") == "pacl"
    assert csparc.PaclLoss(**options).config() == loss.config()
    assert csparc.PaclLoss().parameters == {}
    assert_close(csparc.PaclLoss()(**batch).loss, csparc.pacl_loss(**batch).loss, FLOAT64)
