"""The global loss (_core.contrastive behind csparc.clip_loss) against the float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import FLOAT32, FLOAT32_SCALAR, FLOAT64, assert_close

import csparc
from csparc import reference

DTYPES = [np.float32, np.float64]


def draw(rng, dtype, B, D, size=1.0):
    return [(size * rng.normal(size=(B, D))).astype(dtype) for _ in range(2)]


def check(image, text, scale, dtype):
    out = csparc.clip_loss(image, text, logit_scale=scale, grad=True)
    expected = reference.clip_loss(image, text, logit_scale=scale)
    array, scalar = (FLOAT64, FLOAT64) if dtype == np.float64 else (FLOAT32, FLOAT32_SCALAR)
    assert_close(out.loss, expected.loss, array, "loss")
    assert out.global_loss == out.loss
    for name in ("image_global", "text_global"):
        assert_close(out.grads[name], expected.grads[name], array, name)
        assert out.grads[name].dtype == dtype
    assert_close(out.grads["logit_scale"], expected.grads["logit_scale"], scalar, "logit_scale")
    return out


# Tiles are 56 columns by 64 rows, from 2048 pairs on 256: sizes below, at, one above, several.
@pytest.mark.parametrize("B", [1, 2, 3, 7, 8, 55, 56, 57, 63, 64, 65, 255, 256, 257, 600])
@pytest.mark.parametrize("dtype", DTYPES)
def test_against_reference(B, dtype, rng):
    check(*draw(rng, dtype, B, 19), 1 / 0.07, dtype)


def test_many_pairs(rng):
    check(*draw(rng, np.float32, 2049, 5), 1 / 0.07, np.float32)


@pytest.mark.parametrize("D", [1, 2, 8, 33, 512])
@pytest.mark.parametrize("dtype", DTYPES)
def test_widths(D, dtype, rng):
    check(*draw(rng, dtype, 70, D), 10.0, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_confident_rows_keep_their_digits(dtype, rng):
    """Pairs that match almost exactly at scale 100: softmax - 1 would cancel to nothing."""
    image, noise = draw(rng, dtype, 65, 32)
    text = image + dtype(0.05) * noise
    out = check(image, text, 100.0, dtype)
    assert 0 < out.loss < 1e-12
    assert np.abs(out.grads["image_global"]).max() > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_opposed_pairs_at_scale_100(dtype, rng):
    """All cosines near -1: a fixed shift by the scale would underflow every term."""
    image, noise = draw(rng, dtype, 65, 32)
    image = np.abs(image)
    check(image, -image[::-1] + dtype(0.1) * noise, 100.0, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_pair_is_exactly_zero(dtype, rng):
    out = csparc.clip_loss(*draw(rng, dtype, 1, 9), logit_scale=100.0, grad=True)
    assert out.loss == 0
    assert not any(np.any(gradient) for gradient in out.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_vectors_are_neutral(dtype, rng):
    image, text = draw(rng, dtype, 9, 6)
    image[2] = text[5] = 0
    out = check(image, text, 7.0, dtype)
    assert not out.grads["image_global"][2].any()
    assert not out.grads["text_global"][5].any()
    both = csparc.clip_loss(np.zeros_like(image), np.zeros_like(text), grad=True)
    assert both.loss == pytest.approx(np.log(9), rel=FLOAT32)
    assert not both.grads["image_global"].any()


@pytest.mark.parametrize("size", [1e-15, 1e-9, 1e9, 1e18])
def test_length_does_not_matter_in_float32(size, rng):
    image, text = draw(rng, np.float32, 20, 24)
    plain = csparc.clip_loss(image, text, grad=True)
    out = csparc.clip_loss(image * np.float32(size), text, grad=True)
    assert np.isfinite(out.grads["image_global"]).all()
    if size > 1e-12:
        assert_close(out.loss, plain.loss, FLOAT32)
        assert_close(out.grads["image_global"] * size, plain.grads["image_global"], FLOAT32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads(dtype, rng):
    image, text = draw(rng, dtype, 300, 40)
    seen = set()
    for threads in (1, 2, 3, 7, 2):
        csparc.set_num_threads(threads)
        out = csparc.clip_loss(image, text, grad=True)
        seen.add((out.loss, *(np.asarray(g).tobytes() for g in out.grads.values())))
    assert len(seen) == 1


def test_value_is_the_same_without_gradients(rng):
    image, text = draw(rng, np.float32, 100, 16)
    full = csparc.clip_loss(image, text, grad=True)
    bare = csparc.clip_loss(image, text)
    assert (bare.loss, bare.grads) == (full.loss, {})


def test_not_finite_input_is_not_hidden(rng):
    image, text = draw(rng, np.float32, 100, 16)
    for value in (np.nan, np.inf):
        bad = image.copy()
        bad[70, 3] = value
        assert np.isnan(csparc.clip_loss(bad, text).loss)
        assert np.isnan(csparc.clip_loss(text, bad).loss)
