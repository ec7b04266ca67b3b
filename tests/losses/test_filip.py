"""FILIP, alone and beside CLIP, in the C core equals the float64 reference.

Also the choice of keys, ties, tiles and bits.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches,
    assert_matches_reference,
    assert_same_bits_for_any_threads,
    poisoned,
)
from loss_batches import MASKS, draw, masks
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc import _core, reference
from csparc.losses import filip

ARRAYS = ("patches", "tokens")


def pair(rng, dtype=np.float64, **sizes):
    batch = draw(rng, dtype, **sizes)
    return {name: batch[name] for name in ARRAYS}


def chosen(batch, text_mask, patch_mask, keep, group):
    """The core's own choice of keys."""
    kept = [np.zeros(mask.shape, np.uint8) for mask in (patch_mask, text_mask)]
    counts = [filip.kept_count(keep, mask.shape[1]) for mask in (patch_mask, text_mask)]
    valid = [mask.astype(np.uint8) for mask in (patch_mask, text_mask)]
    _core.filip_select(*(batch[name] for name in ARRAYS), *valid, *counts, group, *kept)
    return kept


def check(batch, text_mask, patch_mask, dtype, **options):
    """The core against the reference, which is given the core's choice of keys."""
    group, keep = options.get("drop_group", 64), options.get("keep", 0.2)
    kept = chosen(batch, text_mask, patch_mask, keep, group)
    own = {}
    if options.get("drop") != "none":
        own = dict(kept_patches=kept[0], kept_tokens=kept[1])
    given = dict(text_mask=text_mask, patch_mask=patch_mask)
    return assert_matches_reference(
        csparc.filip_loss,
        reference.filip_loss(**batch, **given, **options, **own),
        batch, **given, dtype=dtype, **options,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("drop", filip.DROPS)
@pytest.mark.parametrize("drop_group", [1, 3, 64])
def test_against_reference(dtype, kind, drop, drop_group, rng):
    sizes = dict(B=7)
    check(
        pair(rng, dtype, **sizes), *masks(rng, kind, **sizes), dtype, drop=drop,
        drop_group=drop_group, keep=0.3, logit_scale=9.0,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("drop_group", [1, 4, 64])
def test_choice_of_keys(dtype, kind, drop_group, rng):
    batch = pair(rng, dtype, B=9)
    text_mask, patch_mask = masks(rng, kind, B=9)
    kept = chosen(batch, text_mask, patch_mask, 0.3, drop_group)
    expected = reference.filip_loss(
        **batch, text_mask=text_mask, patch_mask=patch_mask, keep=0.3, drop_group=drop_group
    )
    assert np.array_equal(kept[0], expected.kept_patches)
    assert np.array_equal(kept[1], expected.kept_tokens)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drop", filip.DROPS)
def test_exact_ties_go_to_the_lowest_index(dtype, drop, rng):
    """Signed axis vectors times powers of two: unit vectors are exact, and ties abound."""

    def axes(*shape):
        vectors = np.zeros((*shape, 3), dtype)
        values = rng.choice([-4.0, -1.0, 0.5, 2.0], size=shape)
        np.put_along_axis(vectors, rng.integers(0, 3, (*shape, 1)), values[..., None], axis=-1)
        return vectors

    batch = {"patches": axes(5, 9), "tokens": axes(5, 7)}
    full = np.ones((5, 7), bool), np.ones((5, 9), bool)
    options = dict(keep=0.4, drop_group=2)
    kept = chosen(batch, *full, **{"keep": 0.4, "group": 2})
    expected = reference.filip_loss(**batch, **options, drop=drop)
    if drop != "none":
        assert np.array_equal(kept[0], expected.kept_patches)
        assert np.array_equal(kept[1], expected.kept_tokens)
    out = csparc.filip_loss(**batch, **options, drop=drop, grad=True)
    for name in ARRAYS:
        assert_close(out.grads[name], expected.grads[name], FLOAT32, name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_rows_tie_exactly(dtype, rng):
    """Copies of a row are as similar to anything, bit for bit, wherever in the array they lie: the
    first of them are kept first."""
    batch = pair(rng, dtype, P=24, L=18, D=37)
    origin = {}
    for name in ARRAYS:
        origin[name] = np.concatenate([np.arange(6), rng.integers(0, 6, batch[name].shape[1] - 6)])
        batch[name] = np.ascontiguousarray(batch[name][:, origin[name]])
    full = np.ones((4, 18), bool), np.ones((4, 24), bool)
    for group in (1, 64):
        for name, kept in zip(ARRAYS, chosen(batch, *full, 0.3, group)):
            for row in kept.astype(bool):
                for source in range(6):
                    copies = row[origin[name] == source]
                    assert not np.any(copies[1:] & ~copies[:-1]), (name, source)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 1, 1, 3), (1, 5, 4, 2), (3, 1, 6, 5), (40, 3, 2, 5),
                                   (5, 150, 140, 3), (2, 196, 55, 64)])  # fmt: skip
def test_sizes(dtype, shape, rng):
    B, P, L, D = shape
    batch = pair(rng, dtype, B=B, P=P, L=L, D=D)
    out = check(batch, np.ones((B, L), bool), np.ones((B, P), bool), dtype)
    if B == 1:
        assert out.loss == 0
        assert not any(np.any(gradient) for gradient in out.grads.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (2, 7), (11, 4), (50, 50)])
def test_any_tile(dtype, tile, rng, monkeypatch):
    monkeypatch.setattr(filip, "TILE", tile)
    check(pair(rng, dtype, B=23), *masks(rng, "empty", B=23), dtype, logit_scale=5.0, keep=0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drop", filip.DROPS)
def test_same_bits_for_any_threads(dtype, drop, rng):
    batch = pair(rng, dtype, B=37, P=19, L=12, D=24)
    text_mask, patch_mask = masks(rng, "holes", B=37, P=19, L=12)
    assert_same_bits_for_any_threads(
        lambda: csparc.filip_loss(
            **batch, text_mask=text_mask, patch_mask=patch_mask, drop=drop, grad=True
        )
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_patches_and_zero_vectors(dtype, rng):
    batch = pair(rng, dtype)
    batch["patches"][0] = np.eye(17, 13)[1]
    batch["patches"][1] = 0
    batch["tokens"][2, 3] = batch["patches"][2, 5] = 0
    batch["tokens"][3] = 0
    out = check(batch, np.ones((4, 11), bool), np.ones((4, 17), bool), dtype)
    assert not out.grads["patches"][1].any()
    assert not out.grads["tokens"][3].any()


@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_any_magnitude_is_finite(size, kind, rng):
    text_mask, patch_mask = masks(rng, kind)
    assert_finite(
        csparc.filip_loss(
            **pair(rng, np.float32, size=size), text_mask=text_mask, patch_mask=patch_mask,
            logit_scale=100.0, grad=True,
        )
    )  # fmt: skip


@pytest.mark.parametrize("drop", filip.DROPS)
def test_not_finite_input_is_not_hidden(drop, rng):
    for name in ARRAYS:
        batch = pair(rng, np.float32)
        batch[name][1, 2, 3] = np.nan
        assert np.isnan(csparc.filip_loss(**batch, drop=drop).loss)


@pytest.mark.filterwarnings("ignore:.*no entry of the batch is valid")
def test_nothing_valid_at_all(rng):
    batch = pair(rng)
    for masked in ({"text_mask": np.zeros((4, 11))}, {"patch_mask": np.zeros((4, 17))}):
        out = csparc.filip_loss(**batch, **masked, grad=True)
        assert out.loss == 0
        assert not any(np.any(gradient) for gradient in out.grads.values())
    empty = csparc.filip_loss(np.zeros((0, 3, 4)), np.zeros((0, 2, 4)), grad=True)
    assert empty.loss == 0


def test_errors_name_the_argument(rng):
    batch = pair(rng)
    for options, message in [
        ({"keep": 0.0}, "keep"), ({"keep": 1.5}, "keep"), ({"drop": "some"}, "drop: expected"),
        ({"drop_group": 0}, "drop_group"), ({"logit_scale": -1.0}, "logit_scale"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            csparc.filip_loss(**batch, **options)
    with pytest.raises(TypeError, match="drop_group: expected a whole number"):
        csparc.filip_loss(**batch, drop_group=2.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
def test_beside_clip(dtype, kind, rng):
    batch = draw(rng, dtype)
    text_mask, patch_mask = masks(rng, kind)
    options = dict(
        logit_scale=5.0, local_logit_scale=9.0, global_weight=0.3, local_weight=0.9, keep=0.3
    )
    out = csparc.clip_filip_loss(**poisoned(batch, text_mask, patch_mask), **options, grad=True)
    kept = chosen(batch, text_mask, patch_mask, 0.3, 64)
    expected = reference.clip_filip_loss(
        **batch, **options, text_mask=text_mask, patch_mask=patch_mask, kept_patches=kept[0],
        kept_tokens=kept[1],
    )  # fmt: skip
    assert_matches(out, expected, dtype)
    with pytest.raises(TypeError, match="image_global"):
        csparc.clip_filip_loss(**(batch | {"image_global": None}))


def test_objects(rng):
    batch = draw(rng, np.float32)
    alone = csparc.FilipLoss(keep=0.5, drop="both", drop_group=2)
    found = alone(**batch, logit_scale=3.0)
    expected = csparc.filip_loss(
        batch["patches"], batch["tokens"], logit_scale=3.0, keep=0.5, drop="both", drop_group=2
    )
    assert found.loss == expected.loss
    both = csparc.ClipFilipLoss(local_logit_scale=8.0, keep=0.5)
    out = both(**batch, logit_scale=3.0, grad=True)
    both.accumulate(out.grads)
    stored = both.parameters["local_logit_scale"].grad
    assert_close(stored, [8.0 * out.grads["local_logit_scale"]], FLOAT32)
    for loss, name in ((alone, "filip"), (both, "clip+filip")):
        options = json.loads(json.dumps(loss.config()))
        assert options.pop("loss") == name
        again = type(loss)(**options)
        assert again.config() == loss.config()
        assert_close(again(**batch).loss, loss(**batch).loss, FLOAT64)


def test_a_drop_group_above_the_batch_is_the_batch(rng):
    batch = draw(rng, np.float32)
    size = len(batch["patches"])
    whole, beyond = (
        csparc.filip_loss(batch["patches"], batch["tokens"], keep=0.3, drop_group=group, grad=True)
        for group in (size, 2**64)
    )
    assert whole.loss == beyond.loss
    np.testing.assert_array_equal(whole.grads["patches"], beyond.grads["patches"])
