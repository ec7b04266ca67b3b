"""Towers of CLIP and SigLIP: gradients, pooling, what a mask may do, sizes and costs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from model_gradients import assert_gradients_are_differences
from small_model import small_batch, small_model
from tolerances import FLOAT64, assert_close

from csparc import nn
from csparc.models import ModelConfig, TwoTower, list_models, model_info
from csparc.models.presets import preset
from csparc.nn import Tape, Tensor, functional

EOS = 10
CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "eos", "eos_id": EOS, "activation": "quick_gelu",
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "norm_eps": 1e-6, "activation": "gelu_tanh", "shared_width": 8,
    "image": {"width": 8, "layers": 2, "heads": 2, "hidden": 13},
}  # fmt: skip
OTHERS = [
    {**CLIP, "text_pool": "argmax", "eos_id": None, "registers": 2, "attention_window": 3},
    {**CLIP, "local_layer": 1, "image_positions": "after"},
    {**SIGLIP, "local_layer": 1, "text": {"width": 6, "layers": 1, "heads": 3, "hidden": 5}},
]


def ended_batch(rng: np.random.Generator):
    """`small_batch` with an end token, the largest id, at the end of every caption."""
    image, text, mask = small_batch(rng)
    ids = np.minimum(text, EOS - 1)
    ids[np.arange(4), mask.sum(axis=1) - 1] = EOS
    return image, ids, mask


@pytest.mark.parametrize("options", [CLIP, SIGLIP, *OTHERS], ids=str)
def test_gradients(options: dict, rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(**options), ended_batch(rng)
    if options["text_pool"] == "last":
        mask[:] = True
    assert_gradients_are_differences(model, (image, text, mask), rng)


def test_rows_by_index(rng: np.random.Generator) -> None:
    x = Tensor(rng.normal(size=(3, 4, 5)), requires_grad=True)
    rows, dy = np.array([2, 0, 3], np.int32), rng.normal(size=(3, 5))
    tape = Tape()
    y = functional.select(tape, x, rows)
    np.testing.assert_array_equal(y.data, x.data[np.arange(3), rows])
    tape.backward({y: dy})
    expected = np.zeros_like(x.data)
    expected[np.arange(3), rows] = dy
    np.testing.assert_array_equal(x.grad, expected)


def test_the_class_token_is_projected_like_the_patches(rng: np.random.Generator) -> None:
    model, (image, *_) = small_model(**CLIP), ended_batch(rng)
    pooled, patches = model.encode_image(image, return_patches=True)
    np.testing.assert_array_equal(model.encode_dense(image), patches)
    assert "visual.head.weight" not in model.parameters
    weight = model.visual.adapter.weight.data
    tape = Tape(record=False)
    _, rows = model.visual._encoded(tape, Tensor(image))
    assert_close(pooled, rows.data[:, -1] @ weight.T, FLOAT64)
    assert_close(patches, rows.data[:, :-1] @ weight.T, FLOAT64)


def test_captions_are_pooled_at_their_end_whatever_follows(rng: np.random.Generator) -> None:
    (_, text, mask), model = ended_batch(rng), small_model(**CLIP)
    pooled, tokens = model.encode_text(text, return_tokens=True)
    ends = tokens[np.arange(4), mask.sum(axis=1) - 1]
    assert_close(pooled, ends, FLOAT64)
    other = np.where(mask, text, rng.integers(0, EOS + 1, text.shape)).astype(np.int32)
    assert_close(model.encode_text(other), pooled, FLOAT64)
    largest = small_model(**{**CLIP, "text_pool": "argmax", "eos_id": None})
    assert_close(largest.encode_text(text, text_mask=mask), pooled, FLOAT64)


def test_the_last_position_reads_the_padding_too(rng: np.random.Generator) -> None:
    (_, text, mask), model = ended_batch(rng), small_model(**SIGLIP)
    pooled, tokens = model.encode_text(text, return_tokens=True)
    assert_close(pooled, tokens[:, -1], FLOAT64)
    np.testing.assert_array_equal(model.encode_text(text, text_mask=mask), pooled)


def test_patches_of_the_pooling_head_and_each_alone(rng: np.random.Generator) -> None:
    model, (image, *_) = small_model(**SIGLIP), ended_batch(rng)
    pooled, patches = model.encode_image(image, return_patches=True)
    tape = Tape(record=False)
    assert_close(model.visual.attn_pool(tape, Tensor(patches)).data, pooled, FLOAT64)
    alone = model.encode_dense(image)
    one = np.ascontiguousarray(patches[:, 2:3])
    assert_close(model.visual.attn_pool(tape, Tensor(one)).data, alone[:, 2], FLOAT64)


def test_logits_have_the_bias(rng: np.random.Generator) -> None:
    model, (image, text, _) = small_model(**SIGLIP), ended_batch(rng)
    logits, transposed = model.get_logits(image, text)
    model.logit_bias.data[...] = 0
    assert_close(logits + 10, model.get_logits(image, text)[0], FLOAT64)
    np.testing.assert_array_equal(transposed, logits.T)


def test_a_caption_without_its_end_is_refused(rng: np.random.Generator) -> None:
    (_, text, mask), model = ended_batch(rng), small_model(**CLIP)
    with pytest.raises(ValueError, match="every caption as valid, found that of row 0"):
        model.encode_text(text, text_mask=mask & (text != EOS))
    with pytest.raises(ValueError, match="expected the end token 10 in every caption"):
        model.encode_text(np.minimum(text, EOS - 1))


def test_resized_keeps_the_class_tokens_position(rng: np.random.Generator) -> None:
    model = small_model(**CLIP)
    larger = model.resized(32)
    name = "visual.positional_embedding"
    assert larger.parameters[name].shape == (17, 8)
    np.testing.assert_array_equal(larger.state_dict()[name][-1], model.state_dict()[name][-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_pool": "eos"}, "eos_id: expected the end token's id"),
        ({"eos_id": 3}, "eos_id: expected the end token's id"),
        ({"text_pool": "eos", "eos_id": 11}, "eos_id"),
        ({"text_pool": "last", "global_pool": "mean"}, "text_pool: expected 'mean'"),
        ({"global_pool": "map"}, "shared_width: expected image.width = 8"),
        ({"image": {"hidden": 0}}, "image.hidden"),
        ({"text": {"activation": "tanh"}}, "text.activation"),
        ({"norm_eps": 0.0}, "norm_eps"),
    ],
)
def test_contradictions_are_named(options: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        small_model(**options)


@pytest.mark.parametrize("name", list_models(published=True))
def test_published_configurations_survive_json(name: str) -> None:
    config = preset(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("name", "millions"),
    [("ViT-B-32", 151.3), ("ViT-L-14", 427.6), ("ViT-B-16-SigLIP", 203.2)],
)
def test_published_sizes(name: str, millions: float) -> None:
    """As their model cards state them."""
    assert model_info(name).total_parameters / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("options", [CLIP, SIGLIP, *OTHERS], ids=str)
def test_costs_are_those_of_the_model(options: dict, rng: np.random.Generator) -> None:
    config = small_model(**options).config
    wide = {side: replace(getattr(config, side), width=24) for side in ("image", "text")}
    shared = 24 if config.global_pool == "map" else config.shared_width
    config = replace(config, **wide, shared_width=shared)
    model, info = TwoTower(config, dtype=np.float32), model_info(config)
    assert info.total_parameters == sum(p.data.size for p in model.parameters.values())
    image, text = rng.normal(size=(64, 3, 16, 16)).astype("f4"), np.full((64, 7), EOS, np.int32)
    before, tape = nn.BUFFERS.in_use(), nn.Tape()
    out = model(image, text, np.ones((64, 7), bool), tape=tape)
    assert out.patches is not None
    held = nn.BUFFERS.in_use() - before
    assert held == pytest.approx(info.activation_bytes(64), rel=0.05)
