"""Captions longer than one block of tokens give the right loss in bounded memory.

Also masks whose valid rows follow each other.
"""

from __future__ import annotations

import numpy as np
import pytest
from loss_batches import MASKS, check_against_reference, draw, masks
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc import _core, reference

DTYPES = [np.float32, np.float64]
# Blocks of 40 and 32, of 48, 48 and 40; more terms than one product takes.
LENGTHS = [65, 131, 521]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("L", LENGTHS)
@pytest.mark.parametrize(
    "options",
    [{}, dict(similarity="cosine"), dict(normalizer="softmax", softmax_scale=0.7)],
    ids=["plain", "cosine", "softmax"],
)
def test_against_reference(dtype, kind, L, options, rng):
    batch = draw(rng, dtype, L=L)
    check_against_reference(csparc.sparc_loss, batch, options, dtype, *masks(rng, kind, L=L))


@pytest.mark.parametrize("kind", ["full", "holes"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_scaled_back_into_range(kind, similarity, rng):
    """Powers of two that overflow every product, in captions of several blocks."""
    batch = {k: v for k, v in draw(rng, np.float32, L=90).items() if k in ("patches", "tokens")}
    text_mask, patch_mask = masks(rng, kind, L=90)
    options = dict(
        text_mask=text_mask, patch_mask=patch_mask, global_weight=0.0, similarity=similarity
    )
    plain = csparc.sparc_loss(**batch, **options, grad=True)
    factor = np.float32(2.0**61)
    scaled = {name: value * factor for name, value in batch.items()}
    out = csparc.sparc_loss(**scaled, **options, grad=True)
    assert_close(out.local_loss, plain.local_loss, FLOAT32)
    assert csparc.sparc_loss(**scaled, **options).loss == out.loss
    for name in batch:
        found = out.grads[name].astype(np.float64) * float(factor)
        assert_close(found, plain.grads[name], FLOAT32, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("L", [11, 70])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_rows_that_follow_each_other(dtype, L, similarity, rng):
    """Valid rows that start after the first one and end before the last, as when the marks of a
    caption's start and end take no part."""
    batch = draw(rng, dtype, L=L)
    text_mask, patch_mask = np.zeros((4, L), bool), np.zeros((4, 17), bool)
    for i in range(4):
        text_mask[i, 1 : L - 2 * i] = True
        patch_mask[i, i : 17 - i] = True
    options = dict(similarity=similarity)
    check_against_reference(csparc.sparc_loss, batch, options, dtype, text_mask, patch_mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_similarity_backward(dtype, kind, similarity, rng):
    batch = draw(rng, dtype, L=70)
    text_mask, patch_mask = masks(rng, kind, L=70)
    arrays = batch["patches"], batch["tokens"]
    options = dict(text_mask=text_mask, patch_mask=patch_mask, similarity=similarity)
    dweights = rng.normal(size=(4, 70, 17)).astype(dtype)
    expected, expected_grads = reference.sparse_similarity(*arrays, **options, dweights=dweights)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    assert_close(csparc.sparse_similarity(*arrays, **options), expected, tolerance)
    grads = csparc.sparse_similarity_backward(dweights, *arrays, **options)
    for name, gradient in expected_grads.items():
        assert_close(grads[name], gradient, tolerance, name)


@pytest.mark.parametrize(
    ("P", "L", "D"),
    [(196, 55, 512), (576, 55, 512), (196, 55, 768), (196, 256, 512), (576, 77, 768)],
)
def test_a_thread_takes_less_than_two_megabytes(P, L, D):
    """What a second thread adds, whatever the batch. (Of many pairs the global part takes more.)"""
    for B in (1, 8):
        held = []
        for threads in (1, 2):
            csparc.set_num_threads(threads)
            held.append(_core.scratch_bytes("sparc", 4, dict(B=B, P=P, L=L, D=D, N=0)))
        assert 0.2e6 < held[1] - held[0] < 2e6
