"""SigLIP in the C core equals the float64 reference over tiles, ranges and threads.

Also the object that owns the bias.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import (
    DTYPES,
    GLOBALS,
    assert_finite,
    assert_matches,
    assert_same_bits_for_any_threads,
)
from loss_batches import draw
from tolerances import FLOAT64, IDENTITY, assert_close

import csparc
from csparc import reference
from csparc.losses import siglip


def pair(rng, dtype=np.float64, B=7, D=13, size=1.0):
    batch = draw(rng, dtype, B=B, D=D, size=size)
    return {name: batch[name] for name in GLOBALS}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (7, 13), (64, 8), (65, 33), (150, 16)])
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (3.0, -1.0), (0.5, 2.0), (100.0, 0.0)])
def test_against_reference(dtype, shape, scale, bias, rng):
    batch = pair(rng, dtype, *shape)
    options = dict(logit_scale=scale, logit_bias=bias)
    out = csparc.siglip_loss(**batch, **options, grad=True)
    assert_matches(out, reference.siglip_loss(**batch, **options), dtype)
    assert csparc.siglip_loss(**batch, **options).loss == out.loss


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (7, 4), (64, 1), (70, 70)])
def test_any_tile(dtype, tile, rng, monkeypatch):
    batch = pair(rng, dtype, B=37)
    monkeypatch.setattr(siglip, "TILE", tile)
    out = csparc.siglip_loss(**batch, grad=True)
    assert_matches(out, reference.siglip_loss(**batch), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads(dtype, rng):
    batch = pair(rng, dtype, B=300, D=24)
    assert_same_bits_for_any_threads(lambda: csparc.siglip_loss(**batch, grad=True))


@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
def test_any_magnitude_is_finite(size, rng):
    batch = pair(rng, np.float32, size=size)
    assert_finite(csparc.siglip_loss(**batch, logit_scale=100.0, logit_bias=50.0, grad=True))


def test_confident_decisions_keep_their_digits(rng):
    """Every logit is about 80 on the right side: probabilities of e^-80, far below one rounding."""
    batch = {name: np.eye(4, dtype=np.float32) for name in GLOBALS}
    options = dict(logit_scale=80.0, logit_bias=-40.0)
    out = csparc.siglip_loss(**batch, **options, grad=True)
    expected = reference.siglip_loss(**batch, **options)
    assert 0 < expected.loss < 1e-15
    assert_matches(out, expected, np.float32)


def test_zero_vectors_are_neutral_and_get_no_gradient(rng):
    batch = pair(rng)
    batch["image_global"][2] = batch["text_global"][4] = 0
    out = csparc.siglip_loss(**batch, grad=True)
    assert_matches(out, reference.siglip_loss(**batch), np.float64)
    assert not out.grads["image_global"][2].any()
    assert not out.grads["text_global"][4].any()


def test_one_pair_is_a_decision():
    out = csparc.siglip_loss([[3.0, 4.0]], [[4.0, 3.0]], logit_scale=10.0, logit_bias=-9.0)
    assert_close(out.loss, np.log1p(np.exp(-0.6)), IDENTITY)


def test_no_pairs_at_all():
    out = csparc.siglip_loss(np.zeros((0, 4)), np.zeros((0, 4)), grad=True)
    assert out.loss == out.grads["logit_bias"] == 0


def test_out_grads_and_number_types(rng):
    batch = pair(rng, np.float32)
    mine = {name: np.empty_like(value) for name, value in batch.items()}
    out = csparc.siglip_loss(**batch, out_grads=mine)
    for name in GLOBALS:
        assert out.grads[name] is mine[name]
    half = {name: value.astype(np.float16) for name, value in batch.items()}
    assert csparc.siglip_loss(**half, grad=True).grads["image_global"].dtype == np.float32


def test_errors_name_the_argument(rng):
    batch = pair(rng)
    with pytest.raises(ValueError, match="logit_scale: expected a finite number from 1e-06 to"):
        csparc.siglip_loss(**batch, logit_scale=0)
    with pytest.raises(ValueError, match="logit_bias"):
        csparc.siglip_loss(**batch, logit_bias=np.inf)
    with pytest.raises(ValueError, match="text_global"):
        csparc.siglip_loss(batch["image_global"], batch["text_global"][:3])


def test_object_owns_its_bias(rng):
    batch = pair(rng, np.float32)
    loss = csparc.SiglipLoss(logit_bias=-2.0)
    out = loss(None, None, **batch, text_mask=None, logit_scale=5.0, grad=True)
    expected = csparc.siglip_loss(**batch, logit_scale=5.0, logit_bias=-2.0, grad=True)
    assert out.loss == expected.loss
    loss.accumulate(out.grads, 0.5)
    loss.accumulate(out.grads, 0.5)
    bias = loss.parameters["logit_bias"]
    assert_close(bias.grad, [expected.grads["logit_bias"]], np.float32(1e-6))
    bias.data[0] = -3.0
    assert loss.value("logit_bias") == -3.0
    options = json.loads(json.dumps(loss.config()))
    assert options.pop("loss") == "siglip"
    other = csparc.SiglipLoss(**options)
    other.load_state_dict(loss.state_dict())
    assert_close(other(**batch).loss, loss(**batch).loss, FLOAT64)
    with pytest.raises(ValueError, match="logit_bias"):
        other.load_state_dict({})
    with pytest.raises(ValueError, match="shape"):
        other.load_state_dict({"logit_bias": np.zeros(2)})
