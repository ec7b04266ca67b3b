"""The float64 reference where input is degenerate: equal patches, zeros, ties, small sizes."""

import numpy as np
import pytest
import tolerances
from differences import make_batch

from csparc import reference

NORMALIZERS = ["minmax_sparse", "minmax", "softmax"]


def test_degenerate_rows_are_uniform_and_still_reach_the_patches():
    batch, _, _ = make_batch(11)
    V = np.repeat(batch["patches"][:, :1], 7, axis=1)
    result = reference.sparc_loss(V, batch["tokens"], global_weight=0.0)
    assert np.allclose(result.weights, 1 / 7, atol=tolerances.IDENTITY)
    assert result.kept_fraction == 1
    # Every grouped vector is the same: all rows of U are equal and the row direction is ln L.
    assert np.isfinite(result.local_loss)
    assert np.allclose(
        result.grads["patches"], result.grads["patches"][:, :1], atol=tolerances.IDENTITY
    )
    zero = reference.sparc_loss(V, batch["tokens"], global_weight=0.0, degenerate="zero")
    assert not zero.weights.any()
    assert zero.kept_fraction == 0
    assert zero.local_loss == pytest.approx(np.log(5), rel=tolerances.IDENTITY)
    assert not zero.grads["patches"].any()
    assert not zero.grads["tokens"].any()


@pytest.mark.parametrize("degenerate", ["uniform", "zero"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 3), (3, 1, 3), (3, 4, 1)])
def test_small_sizes_are_finite(degenerate, normalizer, shape):
    B, P, L = shape
    batch, _, _ = make_batch(12, B=B, P=max(P, 5), L=max(L, 2))
    V, T = 30 * batch["patches"][:, :P], 30 * batch["tokens"][:, :L]
    result = reference.sparc_loss(
        V, T, logit_scale=100.0, degenerate=degenerate, normalizer=normalizer
    )
    assert np.isfinite(result.loss)
    assert all(np.isfinite(g).all() for g in result.grads.values())
    if B == 1:
        assert result.global_loss == 0
    if L == 1:
        assert result.local_loss == 0
        assert B > 1 or not result.grads["tokens"].any()


def test_zero_vectors_and_empty_captions():
    batch, text_mask, patch_mask = make_batch(13)
    batch["patches"][0, 1] = batch["tokens"][0, 1] = batch["text_global"][2] = 0.0
    text_mask[1], patch_mask[2] = False, False
    result = reference.sparc_loss(**batch, text_mask=text_mask, patch_mask=patch_mask)
    assert np.isfinite(result.loss)
    assert all(np.isfinite(g).all() for g in result.grads.values())
    assert not result.grads["tokens"][0, 1].any()
    assert not result.grads["text_global"][2].any()
    # A sample without tokens or without patches is skipped but still counted in B.
    for skipped in (1, 2):
        assert not result.grads["patches"][skipped].any()
        assert not result.grads["tokens"][skipped].any()
    alone = reference.sparc_loss(
        **{k: v[:1] for k, v in batch.items()}, text_mask=text_mask[:1], patch_mask=patch_mask[:1]
    )
    assert result.local_loss == pytest.approx(alone.local_loss / 3, rel=tolerances.IDENTITY)
    nothing = reference.sparc_loss(**batch, text_mask=np.zeros_like(text_mask), reduction="token")
    assert nothing.local_loss == 0
    assert nothing.loss == 0.5 * nothing.global_loss


def test_masked_entries_influence_nothing():
    batch, text_mask, patch_mask = make_batch(14)
    clean = reference.sparc_loss(**batch, text_mask=text_mask, patch_mask=patch_mask)
    batch["patches"][~patch_mask], batch["tokens"][~text_mask] = np.nan, np.inf
    dirty = reference.sparc_loss(**batch, text_mask=text_mask, patch_mask=patch_mask)
    assert dirty.loss == clean.loss
    for name, gradient in clean.grads.items():
        assert np.array_equal(gradient, dirty.grads[name]), name
    assert not clean.grads["patches"][~patch_mask].any()


def test_ties_go_to_the_first_patch_and_equality_is_kept():
    V = np.array([[[0.0, 1.0], [0.0, 2.0], [1.0, 0.0], [4.0, 0.0]]])
    T = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    result = reference.sparc_loss(V, T, sigma=0.25, global_weight=0.0, logit_scale=1.0)
    # s of token 0 is [0, 0, 1, 4]: the third patch sits exactly on the threshold.
    assert result.keep_mask[0, 0].tolist() == [False, False, True, True]
    assert result.margin == 0
    s = reference.similarity_matrix(V[0], T[0], "dot", 1.0)
    ds = reference.align_backward(
        np.array([[1.0, 2, 3, 4], [4.0, 3, 2, 1]]),
        reference.align(s, "minmax_sparse", 0.25, "uniform"),
        "minmax_sparse",
    )
    assert ds[0, 0] != 0
    assert ds[0, 1] == 0


def test_keep_mask_replaces_the_comparison():
    batch, _, _ = make_batch(15)
    free = reference.sparc_loss(**batch, sigma=0.5)
    forced = reference.sparc_loss(**batch, sigma=0.0, keep_mask=free.keep_mask)
    assert forced.loss == free.loss
    assert np.array_equal(forced.grads["patches"], free.grads["patches"])


def test_unit_vector_of_extreme_lengths():
    x = np.array([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [3.0, 4.0]])
    unit, norm = reference.unit_vector(x)
    assert np.allclose(unit[[0, 3]], [0.6, 0.8], atol=tolerances.IDENTITY)
    assert not unit[1:3].any()
    assert np.isfinite(norm).all()
