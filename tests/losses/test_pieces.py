"""The public sparse_similarity and group_patches, forward and backward, equal the reference."""

from __future__ import annotations

import numpy as np
import pytest
from loss_batches import draw, masks
from tolerances import FLOAT32, FLOAT64, IDENTITY, assert_close

import csparc
from csparc import reference

DTYPES = [np.float32, np.float64]
NORMALIZERS = ["minmax_sparse", "minmax", "softmax"]


def pair(rng, dtype, kind):
    batch = draw(rng, dtype)
    text_mask, patch_mask = masks(rng, kind)
    arrays = batch["patches"], batch["tokens"]
    return arrays, dict(text_mask=text_mask, patch_mask=patch_mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["full", "prefix", "holes", "empty"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_weights_and_gradients(dtype, kind, similarity, normalizer, rng):
    (patches, tokens), mask = pair(rng, dtype, kind)
    options = dict(**mask, normalizer=normalizer, similarity=similarity, sigma=0.3)
    dweights = rng.normal(size=(4, 11, 17)).astype(dtype)
    expected, expected_grads = reference.sparse_similarity(
        patches, tokens, **options, dweights=dweights
    )
    patches, tokens, dweights = patches.copy(), tokens.copy(), dweights.copy()
    valid = mask["text_mask"][:, :, None] & mask["patch_mask"][:, None]
    patches[~mask["patch_mask"]] = tokens[~mask["text_mask"]] = np.nan
    dweights[~valid] = np.nan
    weights = csparc.sparse_similarity(patches, tokens, **options)
    grads = csparc.sparse_similarity_backward(dweights, patches, tokens, **options)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert weights.dtype == dtype
    assert_close(weights, expected, tolerance)
    for name, gradient in expected_grads.items():
        assert_close(grads[name], gradient, tolerance, name)
    assert not weights[~valid].any()
    assert ("softmax_scale" in grads) == (normalizer == "softmax")


def test_weights_are_those_of_the_loss(rng):
    (patches, tokens), mask = pair(rng, np.float32, "holes")
    out = csparc.sparc_loss(patches, tokens, **mask, return_weights=True)
    assert np.array_equal(out.weights, csparc.sparse_similarity(patches, tokens, **mask))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pieces_and_reference_make_up_the_local_gradient(dtype, rng):
    """Chaining the public pieces by hand gives the fused gradient."""
    (patches, tokens), mask = pair(rng, dtype, "holes")
    scale = 6.0
    out = csparc.sparc_loss(
        patches, tokens, **mask, logit_scale=scale, global_weight=0.0, grad=True
    )
    weights = csparc.sparse_similarity(patches, tokens, **mask)
    grouped = csparc.group_patches(weights, patches)
    dgrouped, dtokens = np.zeros_like(grouped), np.zeros_like(tokens)
    total = 0.0
    for i, rows in enumerate(mask["text_mask"]):
        share = 1 / (2 * len(patches) * rows.sum())
        c, c_norm = reference.unit_vector(grouped[i, rows].astype(np.float64))
        t, t_norm = reference.unit_vector(tokens[i, rows].astype(np.float64))
        value, dlogits = reference.matching_cross_entropy(scale * c @ t.T)
        total += share * value
        dlogits = share * scale * dlogits
        dgrouped[i, rows] = reference.unit_vector_backward(dlogits @ t, c, c_norm)
        dtokens[i, rows] = reference.unit_vector_backward(dlogits.T @ c, t, t_norm)
    through_sum = csparc.group_patches_backward(dgrouped, weights, patches)
    through_weights = csparc.sparse_similarity_backward(
        through_sum["weights"], patches, tokens, **mask
    )
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert_close(out.local_loss, total, tolerance)
    assert_close(
        out.grads["patches"], through_sum["patches"] + through_weights["patches"], tolerance
    )
    assert_close(out.grads["tokens"], dtokens + through_weights["tokens"], tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masked", [False, True])
def test_group_patches(dtype, masked, rng):
    weights = rng.normal(size=(3, 5, 9)).astype(dtype)
    patches = rng.normal(size=(3, 9, 7)).astype(dtype)
    dgrouped = rng.normal(size=(3, 5, 7)).astype(dtype)
    patch_mask = rng.random((3, 9)) < 0.6 if masked else np.ones((3, 9), bool)
    clean = weights * patch_mask[:, None], patches * patch_mask[..., None]
    expected, expected_grads = reference.group_patches(*clean, dgrouped=dgrouped)
    weights[~np.broadcast_to(patch_mask[:, None], weights.shape)] = np.inf
    patches[~patch_mask] = np.nan
    mask = patch_mask if masked else None
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert_close(csparc.group_patches(weights, patches, patch_mask=mask), expected, tolerance)
    grads = csparc.group_patches_backward(dgrouped, weights, patches, patch_mask=mask)
    for name in ("weights", "patches"):
        assert_close(grads[name], expected_grads[name], tolerance, name)


def test_degenerate_rows(rng):
    patches = np.repeat(rng.integers(-3, 4, size=(2, 1, 4)).astype(np.float32), 5, axis=1)
    tokens = rng.integers(-3, 4, size=(2, 3, 4)).astype(np.float32)
    assert np.all(csparc.sparse_similarity(patches, tokens) == np.float32(1 / 5))
    assert not csparc.sparse_similarity(patches, tokens, degenerate="zero").any()
    grads = csparc.sparse_similarity_backward(
        rng.normal(size=(2, 3, 5)).astype(np.float32), patches, tokens
    )
    assert not grads["patches"].any()
    assert not grads["tokens"].any()


def test_documented_example():
    """Worked by hand: s = [0, 1, 3, 4], range 4, threshold a quarter, equality kept."""
    patches = np.array([[[0.0], [1.0], [3.0], [4.0]]])
    weights = csparc.sparse_similarity(patches, np.array([[[1.0]]]))
    assert np.allclose(weights[0, 0], np.array([0, 1, 3, 4]) / 8, atol=IDENTITY)
    stricter = csparc.sparse_similarity(patches, np.array([[[1.0]]]), sigma=0.3)
    assert np.allclose(stricter[0, 0], np.array([0, 0, 3, 4]) / 7, atol=IDENTITY)


def test_same_bits_for_any_threads(rng):
    (patches, tokens), mask = pair(rng, np.float32, "holes")
    dweights = rng.normal(size=(4, 11, 17)).astype(np.float32)
    seen = set()
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        weights = csparc.sparse_similarity(patches, tokens, **mask)
        grads = csparc.sparse_similarity_backward(dweights, patches, tokens, **mask)
        grouped = csparc.group_patches(weights, patches)
        seen.add(tuple(a.tobytes() for a in (weights, grouped, *grads.values())))
    assert len(seen) == 1
