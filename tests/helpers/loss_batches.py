"""Batches the tests of the losses share: ragged, with holes, of every mask kind."""

from __future__ import annotations

import numpy as np
from tolerances import FLOAT32, FLOAT32_SCALAR, FLOAT64, assert_close

from csparc import reference

MASKS = ["full", "prefix", "holes", "empty"]


def draw(rng, dtype=np.float64, B=4, P=17, L=11, D=13, size=1.0):
    """Patches, tokens and globals; float32 ones are rounded before the reference sees them."""
    shapes = {
        "patches": (B, P, D),
        "tokens": (B, L, D),
        "image_global": (B, D),
        "text_global": (B, D),
    }
    return {name: (size * rng.normal(size=shape)).astype(dtype) for name, shape in shapes.items()}


def masks(rng, kind, B=4, P=17, L=11):
    """(text_mask, patch_mask) of one kind; "empty" has a sample without tokens, one without
    patches, one with a single token, one with a single patch."""
    if kind == "full":
        return np.ones((B, L), bool), np.ones((B, P), bool)
    if kind == "prefix":
        text = np.arange(L) < rng.integers(1, L + 1, B)[:, None]
        return text, np.arange(P) < rng.integers(1, P + 1, B)[:, None]
    text, patch = rng.random((B, L)) < 0.6, rng.random((B, P)) < 0.7
    text[:, 3] = patch[:, 5] = True
    if kind == "empty":
        text[0] = patch[1] = False
        text[2] = np.arange(L) == 4
        patch[3] = np.arange(P) == 6
    return text, patch


def poison(batch, text_mask, patch_mask):
    """A copy in which everything that is not valid holds NaN or infinity."""
    patches, tokens = batch["patches"].copy(), batch["tokens"].copy()
    patches[~patch_mask], tokens[~text_mask] = np.nan, np.inf
    return {**batch, "patches": patches, "tokens": tokens}


def check_against_reference(loss, batch, options, dtype, text_mask, patch_mask):
    """Value, parts, weights and every gradient of ``loss`` against the float64 reference.

    The reference takes the implementation's own threshold decisions: they are compared through the
    margin, the arithmetic through the tolerance.
    """
    out = loss(
        **poison(batch, text_mask, patch_mask),
        **options,
        text_mask=text_mask,
        patch_mask=patch_mask,
        return_weights=True,
        grad=True,
    )
    keep = None
    if options.get("normalizer", "minmax_sparse") == "minmax_sparse":
        keep = out.weights > 0
    expected = reference.sparc_loss(
        **batch, **options, text_mask=text_mask, patch_mask=patch_mask, keep_mask=keep
    )
    scalar, array = (FLOAT64, FLOAT64) if dtype == np.float64 else (FLOAT32_SCALAR, FLOAT32)
    for part in ("loss", "global_loss", "local_loss", "kept_fraction"):
        assert_close(getattr(out, part), getattr(expected, part), array, part)
    assert_close(out.weights, expected.weights, array, "weights")
    assert set(out.grads) == set(expected.grads)
    for name, gradient in expected.grads.items():
        tolerance = array if np.ndim(gradient) else scalar
        assert_close(out.grads[name], gradient, tolerance, name)
        assert np.ndim(gradient) == 0 or out.grads[name].dtype == dtype
    assert not out.grads["patches"][~patch_mask].any()
    assert not out.grads["tokens"][~text_mask].any()
    return out, expected
