"""GLoRIA in the C core (Gram form) against the float64 reference (contexts formed)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches_reference,
    assert_same_bits_for_any_threads,
)
from loss_batches import MASKS, draw, masks
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc import reference
from csparc.losses import gloria


def check(batch, text_mask, patch_mask, dtype, **options):
    given = dict(text_mask=text_mask, patch_mask=patch_mask)
    expected = reference.gloria_loss(**batch, **given, **options)
    return assert_matches_reference(
        csparc.gloria_loss, expected, batch, **given, dtype=dtype, **options
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("attention", gloria.ATTENTIONS)
@pytest.mark.parametrize("pooling", gloria.POOLINGS)
@pytest.mark.parametrize("divide_by_pool_scale", [True, False])
def test_against_reference(dtype, kind, attention, pooling, divide_by_pool_scale, rng):
    check(
        draw(rng, dtype), *masks(rng, kind), dtype, attention=attention, pooling=pooling,
        divide_by_pool_scale=divide_by_pool_scale, logit_scale=6.0, attention_scale=3.0,
        pool_scale=2.0, local_logit_scale=5.0, global_weight=0.4, local_weight=0.7,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 1, 3), (1, 5, 4, 2), (3, 1, 6, 5), (20, 3, 2, 5),
                                   (3, 9, 140, 3), (2, 196, 55, 64)])  # fmt: skip
def test_sizes(dtype, shape, rng):
    B, P, L, D = shape
    batch = draw(rng, dtype, B=B, P=P, L=L, D=D)
    out = check(batch, np.ones((B, L), bool), np.ones((B, P), bool), dtype)
    if B == 1:
        assert out.loss == 0
        assert not any(np.any(gradient) for gradient in out.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (2, 7), (11, 4), (50, 50)])
def test_any_tile(dtype, tile, rng, monkeypatch):
    monkeypatch.setattr(gloria, "TILE", tile)
    sizes = dict(B=13, P=6, L=5)
    batch = draw(rng, dtype, **sizes)
    text_mask, patch_mask = masks(rng, "holes", **sizes)
    text_mask[5] = patch_mask[7] = False
    check(batch, text_mask, patch_mask, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads(dtype, rng):
    sizes = dict(B=37, P=9, L=8)
    batch = draw(rng, dtype, **sizes)
    text_mask, patch_mask = masks(rng, "holes", **sizes)
    assert_same_bits_for_any_threads(
        lambda: csparc.gloria_loss(
            **batch, text_mask=text_mask, patch_mask=patch_mask, grad=True,
            attention="words_then_regions",
        )
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("attention", gloria.ATTENTIONS)
def test_equal_patches_and_zero_vectors(dtype, attention, rng):
    batch = draw(rng, dtype)
    batch["patches"][0] = batch["patches"][0, 0]
    batch["patches"][1] = 0
    batch["tokens"][2, 3] = batch["patches"][2, 5] = 0
    batch["tokens"][3] = 0
    batch["image_global"][2] = 0
    full = np.ones((4, 11), bool), np.ones((4, 17), bool)
    out = check(batch, *full, dtype, attention=attention)
    assert not out.grads["patches"][1].any()
    assert not out.grads["tokens"][3].any()


@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
@pytest.mark.parametrize("attention", gloria.ATTENTIONS)
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_any_magnitude_is_finite(size, attention, kind, rng):
    text_mask, patch_mask = masks(rng, kind)
    assert_finite(
        csparc.gloria_loss(
            **draw(rng, np.float32, size=size), text_mask=text_mask, patch_mask=patch_mask,
            attention=attention, logit_scale=100.0, attention_scale=100.0, pool_scale=100.0,
            local_logit_scale=100.0, grad=True,
        )
    )  # fmt: skip


def test_one_word_is_its_own_pool(rng):
    """With one word a caption z is its cosine, whatever the pooling."""
    batch = draw(rng, L=1)
    found = {
        csparc.gloria_loss(**batch, pooling=pooling, pool_scale=scale).local_loss
        for pooling in gloria.POOLINGS
        for scale in (1.0, 4.0)
    }
    assert max(found) - min(found) < FLOAT64


def test_not_finite_input_is_not_hidden(rng):
    for name in ("patches", "tokens", "image_global"):
        batch = draw(rng, np.float32)
        batch[name].reshape(4, -1)[1, 3] = np.nan
        assert np.isnan(csparc.gloria_loss(**batch).loss)


@pytest.mark.filterwarnings("ignore:.*no entry of the batch is valid")
def test_nothing_valid_at_all(rng):
    batch = draw(rng)
    for masked in ({"text_mask": np.zeros((4, 11))}, {"patch_mask": np.zeros((4, 17))}):
        out = csparc.gloria_loss(**batch, **masked, grad=True)
        assert out.local_loss == 0
        assert not out.grads["patches"].any()
        assert not out.grads["tokens"].any()


def test_errors_name_the_argument(rng):
    batch = draw(rng)
    for options, message in [
        ({"attention": "words"}, "attention: expected 'regions'"), ({"pooling": "max"}, "pooling"),
        ({"pool_scale": 0.0}, "pool_scale"), ({"local_weight": np.nan}, "local_weight"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            csparc.gloria_loss(**batch, **options)


def test_object(rng):
    batch = draw(rng, np.float32)
    loss = csparc.GloriaLoss(local_logit_scale=7.0, pooling="mean")
    assert set(loss.parameters) == {"local_logit_scale"}
    out = loss(**batch, logit_scale=3.0, grad=True)
    expected = csparc.gloria_loss(
        **batch, logit_scale=3.0, local_logit_scale=7.0, pooling="mean", grad=True
    )
    assert_close(out.loss, expected.loss, FLOAT32)
    loss.accumulate(out.grads)
    stored = loss.parameters["local_logit_scale"].grad
    assert_close(stored, [7.0 * out.grads["local_logit_scale"]], FLOAT32)
    options = json.loads(json.dumps(loss.config()))
    assert options.pop("loss") == "gloria"
    assert csparc.GloriaLoss(**options).config() == loss.config()
    everything = csparc.GloriaLoss(learn_attention_scales=True)
    assert set(everything.parameters) == set(gloria.SCALES)
