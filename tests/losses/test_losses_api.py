"""The public losses: what a caller may pass, and what comes back."""

from __future__ import annotations

import inspect
import json

import ml_dtypes
import numpy as np
import pytest
from loss_batches import draw, masks
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc import reference

B, P, L, D = 4, 17, 11, 13


@pytest.fixture
def batch(rng):
    return draw(rng, np.float32)


# What comes back ---------------------------------------------------------------------------------


def test_output(batch):
    out = csparc.sparc_loss(**batch, grad=True, return_weights=True, local_logit_scale=5.0)
    assert float(out) == out.loss
    assert out.loss == 0.5 * out.global_loss + out.local_loss
    for part in (out.loss, out.global_loss, out.local_loss, out.kept_fraction):
        assert type(part) is float
    assert out.weights.shape == (B, L, P)
    assert set(out.grads) == {*batch, "logit_scale", "local_logit_scale"}
    assert type(out.grads["logit_scale"]) is float
    for name in batch:
        assert out.grads[name].shape == batch[name].shape
    assert csparc.sparc_loss(**batch).grads == {}
    soft = csparc.sparc_loss(**batch, normalizer="softmax", grad=True)
    assert type(soft.grads["softmax_scale"]) is float
    assert soft.kept_fraction == 1


def test_three_lines_of_numpy():
    rng = np.random.default_rng(0)
    patches, tokens = rng.normal(size=(2, 9, 4)), rng.normal(size=(2, 5, 4))
    out = csparc.sparc_loss(patches, tokens, text_mask=[5, 3], grad=True)
    assert out.grads["patches"].dtype == np.float64
    assert not out.grads["tokens"][1, 3:].any()


def test_no_input_is_written_to(batch):
    before = {name: value.copy() for name, value in batch.items()}
    for value in batch.values():
        value.flags.writeable = False
    text_mask = np.ones((B, L), bool)
    text_mask.flags.writeable = False
    csparc.sparc_loss(**batch, text_mask=text_mask, grad=True, return_weights=True)
    csparc.clip_loss(batch["image_global"], batch["text_global"], grad=True)
    for name, value in batch.items():
        assert np.array_equal(value, before[name]), name


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_types_compute_in_float32(dtype, batch):
    narrow = {name: value.astype(dtype) for name, value in batch.items()}
    wide = {name: value.astype(np.float32) for name, value in narrow.items()}
    out, expected = csparc.sparc_loss(**narrow, grad=True), csparc.sparc_loss(**wide, grad=True)
    assert out.loss == expected.loss
    for name in batch:
        assert out.grads[name].dtype == np.float32
        assert np.array_equal(out.grads[name], expected.grads[name])


def test_layouts_give_the_same_bits(batch):
    expected = csparc.sparc_loss(**batch, grad=True)
    for change in (
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: x.astype(">f4"),
    ):
        out = csparc.sparc_loss(**{n: change(v) for n, v in batch.items()}, grad=True)
        assert out.loss == expected.loss
        for name in batch:
            assert np.array_equal(out.grads[name], expected.grads[name])
            assert out.grads[name].flags.c_contiguous


def test_mixed_types_compute_in_float64(batch):
    batch["tokens"] = batch["tokens"].astype(np.float64)
    out = csparc.sparc_loss(**batch, grad=True)
    expected = reference.sparc_loss(**batch)
    assert_close(out.loss, expected.loss, FLOAT64)
    assert out.grads["tokens"].dtype == np.float64
    assert out.grads["patches"].dtype == np.float32
    assert_close(out.grads["patches"], expected.grads["patches"], FLOAT32)


def test_masks_of_every_kind_mean_the_same(batch):
    lengths = np.array([11, 3, 0, 1])
    mask = np.arange(L) < lengths[:, None]
    values = {
        csparc.sparc_loss(**batch, text_mask=m).loss
        for m in (lengths, mask, mask.astype(int), mask.astype(float), mask.tolist())
    }
    assert len(values) == 1
    full = csparc.sparc_loss(**batch).loss
    assert csparc.sparc_loss(**batch, text_mask=np.ones((B, L)), patch_mask=[P] * B).loss == full


def test_left_out_globals_are_the_means(batch, rng):
    text_mask, patch_mask = masks(rng, "holes")
    arrays = batch["patches"].astype(np.float64), batch["tokens"].astype(np.float64)
    means = [
        np.sum(x * m[..., None], axis=1) / m.sum(axis=1)[:, None]
        for x, m in zip(arrays, (patch_mask, text_mask))
    ]
    options = dict(text_mask=text_mask, patch_mask=patch_mask)
    out = csparc.sparc_loss(*arrays, **options)
    given = csparc.sparc_loss(*arrays, image_global=means[0], text_global=means[1], **options)
    assert_close(out.loss, given.loss, FLOAT64)
    assert_close(csparc.clip_loss(*means).loss, out.global_loss, FLOAT64)


# Buffers -----------------------------------------------------------------------------------------


def test_out_grads(batch):
    expected = csparc.sparc_loss(**batch, grad=True).grads
    out = {name: np.full_like(value, np.nan) for name, value in batch.items()}
    out["tokens"] = np.asfortranarray(out["tokens"])
    del out["image_global"]
    grads = csparc.sparc_loss(**batch, out_grads=out).grads
    for name, value in expected.items():
        assert np.array_equal(grads[name], value), name
    for name, buffer in out.items():
        assert grads[name] is buffer
    clip = csparc.clip_loss(
        batch["image_global"], batch["text_global"], out_grads={"text_global": out["text_global"]}
    )
    assert clip.grads["text_global"] is out["text_global"]


def test_out_grads_of_the_pieces(batch, rng):
    dweights = rng.normal(size=(B, L, P)).astype(np.float32)
    pair = batch["patches"], batch["tokens"]
    buffer = np.full_like(batch["patches"], np.nan)
    grads = csparc.sparse_similarity_backward(dweights, *pair, out_grads={"patches": buffer})
    assert grads["patches"] is buffer
    assert np.array_equal(buffer, csparc.sparse_similarity_backward(dweights, *pair)["patches"])
    grads = csparc.group_patches_backward(
        batch["tokens"], dweights, batch["patches"], out_grads={"patches": buffer}
    )
    assert grads["patches"] is buffer


# Objects -----------------------------------------------------------------------------------------


def test_object_is_the_function(batch):
    options = dict(normalizer="softmax", local_weight=2.0, similarity="cosine", reduction="token")
    loss = csparc.SparcLoss(**options)
    out = loss(**batch, logit_scale=7.0, grad=True)
    expected = csparc.sparc_loss(**batch, logit_scale=7.0, grad=True, **options)
    assert out.loss == expected.loss
    assert np.array_equal(out.grads["patches"], expected.grads["patches"])
    config = json.loads(json.dumps(loss.config()))
    assert config.pop("loss") == "sparc"
    assert csparc.SparcLoss(**config) == loss
    assert set(loss.inputs) == set(batch)


def test_clip_object(batch):
    loss = csparc.ClipLoss()
    out = loss(**batch, text_mask=np.ones((B, L)), logit_scale=3.0, grad=True)
    expected = csparc.clip_loss(batch["image_global"], batch["text_global"], logit_scale=3.0)
    assert out.loss == expected.loss
    assert set(out.grads) == {*loss.inputs, "logit_scale"}
    assert loss.config() == {"loss": "clip"}


PARTS = {
    "global_weight", "local_weight", "words_weight", "local_logit_scale", "word_logit_scale",
    "word_scale_max", "keep", "drop", "drop_group",
}  # fmt: skip
"""Options of the losses that have the word contrast beside other parts: not of its function."""
OF_OBJECTS = {
    "clip+words": PARTS,
    "sparc+words": PARTS,
    "clip+filip+words": PARTS,
    "sparc": {"learn_local_logit_scale"},
    "pacl": {"learn_weight_scale"},
    "gloria": {"learn_attention_scales"},
    "mgca": {
        "biases", "embed_dim", "global_weight", "prototype_weight", "seed", "token_weight", "width"
    },
}  # fmt: skip
"""Options that a function on arrays has no argument for: what is learned comes as arrays."""


@pytest.mark.parametrize("name", csparc.losses.LOSSES)
def test_function_and_object_have_the_same_defaults(name):
    made = csparc.losses.LOSSES[name]
    called = "word_contrast" if "word" in name else name.replace("+", "_")
    function = inspect.signature(getattr(csparc, f"{called}_loss")).parameters
    call = inspect.signature(made.__call__).parameters
    options = {option.name: option.default for option in made.options()}
    own = OF_OBJECTS.get(name, set())
    assert own <= set(options) or made.reads_words
    for option in set(options) - own - {"prototypes"}:
        assert function[option].default == options[option], option
    for argument in {"groups", "same_group", "grad", "out_grads"}:
        assert function[argument].default == call[argument].default, argument
    assert function["logit_scale"].default == made.initial_logit_scale


# Sizes of zero -----------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["B", "P", "L"])
def test_sizes_of_zero_are_finite(empty):
    sizes = {"B": 3, "P": 4, "L": 5, empty: 0}
    patches = np.ones((sizes["B"], sizes["P"], 2), np.float32)
    tokens = np.ones((sizes["B"], sizes["L"], 2), np.float32)
    out = csparc.sparc_loss(patches, tokens, grad=True, return_weights=True)
    assert out.local_loss == 0
    assert np.isfinite(out.loss)
    assert out.kept_fraction == 1
    assert out.weights.shape == (sizes["B"], sizes["L"], sizes["P"])
    assert out.grads["patches"].shape == patches.shape
    assert all(np.isfinite(g).all() for g in out.grads.values())
    weights = csparc.sparse_similarity(patches, tokens)
    assert csparc.group_patches(weights, patches).shape == tokens.shape
    assert not csparc.group_patches(weights, patches).any() or empty != "P"


def test_gradients_start_a_cache_line(rng):
    """Where the core may write past the caches: arrays that outgrow them."""
    patches, tokens = rng.normal(size=(2, 3, 250, 90)).astype("f4")
    grads = csparc.sparc_loss(patches, tokens, grad=True).grads
    assert all(grads[name].ctypes.data % 64 == 0 for name in ("patches", "tokens"))
