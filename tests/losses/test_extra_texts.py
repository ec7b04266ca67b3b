"""Captions without a picture, as negatives of every image: core and reference, bits, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from differences import check_gradients
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches,
    assert_same_bits_for_any_threads,
    bits,
    flattened,
)
from loss_batches import draw, masks
from tolerances import FLOAT32, IDENTITY, assert_close

import csparc
from csparc import reference
from csparc.losses import LOSSES, make_loss, siglip
from csparc.losses.foreign import as_loss
from csparc.losses.registry import extra_text_losses

EXTRA = "extra_text_global"
ARRAYS = ("image_global", "text_global", EXTRA)
PAIR_LOSSES = ("clip_loss", "siglip_loss")
TAKING = (
    "clip", "clip+filip", "clip+filip+words", "clip+words", "gloria", "mgca", "siglip", "sparc",
    "sparc+words",
)  # fmt: skip
GROUPS = [
    {},
    {"groups": "own", "same_group": "exclude"},
    {"groups": "own", "same_group": "positive"},
]


def vectors(rng, dtype, B, N, D):
    return {name: rng.normal(size=(rows, D)).astype(dtype) for name, rows in zip(ARRAYS, (B, B, N))}


def marked(marks, B):
    """Consecutive pairs of a group, and every fifth pair by itself."""
    ids = np.arange(B) // 2
    return {**marks, "groups": np.where(np.arange(B) % 5 == 0, -1, ids)} if marks else {}


def whole_call(rng, name, dtype=np.float64, N=5):
    """The arguments of a loss of that name, masked."""
    batch = {k: x.astype(dtype) for k, x in draw(rng, dtype).items()}
    text_mask, patch_mask = masks(rng, "holes")
    call = {**batch, "text_mask": text_mask, "patch_mask": patch_mask}
    call[EXTRA] = rng.normal(size=(N, 13)).astype(dtype)
    if "words" in name:
        call["word_ids"] = rng.integers(-1, 9, text_mask.shape)
    return call


# 64 rows and 56 columns to a tile, from 256 on 128 and 112: below, at, above, several, few of many.
@pytest.mark.parametrize("marks", GROUPS, ids=["alone", "exclude", "positive"])
@pytest.mark.parametrize(
    "shape", [(1, 7, 5), (3, 2, 4), (8, 57, 19), (65, 56, 9), (70, 300, 8), (300, 3, 6)]
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_against_reference(function, dtype, shape, marks, rng):
    call, marks = vectors(rng, dtype, *shape), marked(marks, shape[0])
    for scale in (1 / 0.07, 100.0):
        out = getattr(csparc, function)(**call, **marks, logit_scale=scale, grad=True)
        expected = getattr(reference, function)(**call, **marks, logit_scale=scale)
        assert_matches(out, expected, dtype)
        again = getattr(csparc, function)(**call, **marks, logit_scale=scale)
        assert again.loss == out.loss


@pytest.mark.parametrize("marks", GROUPS, ids=["alone", "exclude", "positive"])
@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_reference_against_difference_quotients(function, marks, rng):
    call, marks = vectors(rng, np.float64, 6, 4, 5), marked(marks, 6)
    call["logit_scale"] = 3.0

    def value(**arguments):
        return getattr(reference, function)(**arguments, **marks).loss

    result = getattr(reference, function)(**call, **marks)
    result.grads.pop("logit_bias", None)
    check_gradients(value, call, result.grads)


@pytest.mark.parametrize("name", sorted(set(TAKING) - {"siglip", "mgca"}))
def test_core_against_difference_quotients(name, rng):
    """Of the whole objectives, in float64; what chooses discretely is held away from ties."""
    call, loss = whole_call(rng, name), make_loss(name)
    fixed = {k: call.pop(k) for k in ("text_mask", "patch_mask", "word_ids") if k in call}

    def value(**arguments):
        return loss(**arguments, **fixed).loss

    grads = loss(**call, **fixed, grad=True).grads
    check_gradients(value, call, {name: grads[name] for name in ARRAYS})


@pytest.mark.parametrize("function", ["sparc_loss", "gloria_loss", "clip_filip_loss", "mgca_loss"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_objectives_against_reference(function, dtype, rng):
    call = whole_call(rng, "", dtype)
    options = {"clip_filip_loss": {"drop": "none"}, "mgca_loss": {"attention": "free"}}
    options = options.get(function, {})
    if function == "mgca_loss":
        call["prototypes"] = reference.unit_vector(rng.normal(size=(6, 13)))[0].astype(dtype)
    out = getattr(csparc, function)(**call, **options, grad=True)
    expected = getattr(reference, function)(**call, **options)
    assert_matches(out, expected, dtype)


@pytest.mark.parametrize("name", TAKING)
def test_only_the_global_part_changes(name, rng):
    call = whole_call(rng, name)
    loss = make_loss(name)
    given = {k: x for k, x in call.items() if k != EXTRA}
    without, out = loss(**given, grad=True), loss(**call, grad=True)
    assert out.parts["global_loss"] > without.parts["global_loss"]
    for part in set(out.parts) - {"global_loss"}:
        assert out.parts[part] == without.parts[part]
    assert out.grads[EXTRA].shape == call[EXTRA].shape
    assert np.abs(out.grads[EXTRA]).max() > 0
    none = loss(**given, extra_text_global=np.zeros((0, 13)), grad=True)
    assert none.grads.pop(EXTRA).shape == (0, 13)
    assert bits(none) == bits(without)


def test_captions_are_contrasted_with_images_alone(rng):
    """Of clip: the other direction keeps its cross-entropies."""
    call = vectors(rng, np.float64, 9, 30, 6)
    unit = [reference.unit_vector(call[name])[0] for name in ARRAYS]
    U, X = 5 * unit[0] @ unit[1].T, 5 * unit[0] @ unit[2].T
    images = np.log(np.exp(np.hstack([U, X])).sum(axis=1)) - np.diag(U)
    captions = np.log(np.exp(U).sum(axis=0)) - np.diag(U)
    out = csparc.clip_loss(**call, logit_scale=5.0)
    assert_close(out.loss, (images.mean() + captions.mean()) / 2, IDENTITY)


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_one_pair_and_one_text_keep_their_digits(scale):
    """lse(u, x) - u = softplus(x - u), which here is far below one rounding of either."""
    image, text, extra = np.float32([[1, 0]]), np.float32([[3, 0]]), np.float32([[-2, 0]])
    out = csparc.clip_loss(image, text, extra_text_global=extra, logit_scale=scale / 2)
    assert_close(out.loss, np.log1p(np.exp(-scale)) / 2, FLOAT32)
    assert out.loss > 0


@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (64, 1), (70, 70)])
def test_siglip_by_any_tile(tile, rng, monkeypatch):
    call = vectors(rng, np.float64, 37, 21, 7)
    monkeypatch.setattr(siglip, "TILE", tile)
    assert_matches(csparc.siglip_loss(**call, grad=True), reference.siglip_loss(**call), np.float64)


@pytest.mark.parametrize("marks", GROUPS, ids=["alone", "exclude", "positive"])
@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_same_bits_for_any_threads(function, marks, rng):
    call, marks = vectors(rng, np.float32, 280, 300, 24), marked(marks, 280)
    loss = getattr(csparc, function)
    assert_same_bits_for_any_threads(lambda: loss(**call, **marks, grad=True))


@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_zero_vectors_are_neutral_and_lengths_do_not_matter(function, rng):
    call = vectors(rng, np.float64, 5, 6, 8)
    call[EXTRA][2] = 0
    call[EXTRA][3] *= 1e12
    call[EXTRA][4] *= 1e-12
    out = getattr(csparc, function)(**call, grad=True)
    assert_matches(out, getattr(reference, function)(**call), np.float64)
    assert not out.grads[EXTRA][2].any()
    narrow = {name: array.astype(np.float32) for name, array in call.items()}
    for scale in (1e-6, 1e6):
        assert_finite(getattr(csparc, function)(**narrow, logit_scale=scale, grad=True))


@pytest.mark.parametrize("name", TAKING)
def test_buffers_and_a_part_of_weight_0(name, rng):
    call = whole_call(rng, name, np.float32)
    loss = make_loss(name)
    mine = {key: np.full_like(call[key], np.nan) for key in (*loss.features, EXTRA)}
    out = loss(**call, out_grads=mine)
    assert all(out.grads[key] is mine[key] for key in mine)
    assert_finite(out)
    if "global_weight" in loss.config():
        measured = make_loss(name, ["global_weight=0"])(**call, grad=True)
        assert measured.parts["global_loss"] == out.parts["global_loss"]
        assert not measured.grads[EXTRA].any()


@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_no_pairs_leave_extra_texts_without_a_gradient(function):
    empty, extra = np.zeros((0, 4)), np.ones((3, 4))
    out = getattr(csparc, function)(empty, empty, extra_text_global=extra, grad=True)
    assert out.loss == 0
    assert not out.grads[EXTRA].any()


def test_16_bits_are_read_as_float32(rng):
    call = vectors(rng, np.float32, 4, 3, 6)
    half = {name: array.astype(np.float16) for name, array in call.items()}
    out = csparc.clip_loss(**half, grad=True)
    wide = csparc.clip_loss(**{k: x.astype(np.float32) for k, x in half.items()}, grad=True)
    assert out.grads[EXTRA].dtype == np.float32
    assert flattened(out.grads)[EXTRA].tobytes() == wide.grads[EXTRA].tobytes()
    mixed = csparc.clip_loss(**{**call, EXTRA: call[EXTRA].astype(np.float64)}, grad=True)
    assert mixed.grads["image_global"].dtype == np.float32
    assert_close(mixed.loss, csparc.clip_loss(**call).loss, FLOAT32)


@pytest.mark.parametrize("function", PAIR_LOSSES)
def test_shapes_that_do_not_fit_are_named(function, rng):
    call = vectors(rng, np.float64, 4, 3, 6)
    wrong = {**call, EXTRA: call[EXTRA][:, :5]}
    with pytest.raises(ValueError, match=r"extra_text_global: expected \[N, D\] with D = 6"):
        getattr(csparc, function)(**wrong)
    with pytest.raises(ValueError, match="extra_text_global: expected 2 axes"):
        getattr(csparc, function)(**{**call, EXTRA: call[EXTRA][0]})
    with pytest.raises(TypeError, match="extra_text_global: expected real numbers"):
        getattr(csparc, function)(**{**call, EXTRA: call[EXTRA] > 0})


def test_losses_without_such_a_part_say_which_have_one(rng):
    assert tuple(extra_text_losses()) == TAKING
    for name in sorted(set(LOSSES) - set(TAKING)):
        call = whole_call(rng, name)
        with pytest.raises(ValueError, match=r"extra_text_global: .* take a loss that does"):
            make_loss(name)(**call)


def test_an_object_of_ones_own_is_given_them_where_it_names_them(rng):
    class Own:
        inputs = ("image_global", "text_global")

        def config(self):
            return {}

        def __call__(self, *, extra_text_global=None, text_mask=None, **call):
            return csparc.clip_loss(**call, extra_text_global=extra_text_global)

    call = vectors(rng, np.float64, 4, 3, 6)
    out = as_loss(Own())(**call, logit_scale=10.0, grad=True)
    assert out.loss == csparc.clip_loss(**call, logit_scale=10.0).loss
    assert np.abs(out.grads[EXTRA]).max() > 0
