"""Towers whose patches and words stay local: gradients, what each part can see, refusals, names."""

from __future__ import annotations

import json

import numpy as np
import pytest
from model_gradients import assert_gradients_are_differences, gradients
from small_model import FEATURES, small_batch, small_model
from tolerances import FLOAT32, FLOAT64, assert_close

import csparc
from csparc.models import PRESETS, ModelConfig, create_model
from csparc.models.config import OURS
from csparc.nn import AttentionPool, Tape, Tensor

GRID = {"patch_size": 4}  # 4 x 4 patches
LOCAL = {
    **GRID,
    "image": {"layers": 0},
    "image_stem": "conv",
    "image_positions": "none",
    "local_layer": 0,
    "global_pool": "attention",
    "local_tokens": "words",
}
"""The setting of the presets ``*-local``."""
OPTIONS = {
    "local": LOCAL,
    "stem": {"image_stem": "conv", "activation": "quick_gelu"},
    "after": {**GRID, "local_layer": 1, "image_positions": "after", "registers": 2},
    "windows": {**GRID, "attention_window": 3, "registers": 1, "image_positions": "none"},
    "last": {**GRID, "local_layer": 2, "registers": 1, "attention_window": 1},
    "queries": {**GRID, "global_pool": "attention", "pool_queries": 3, "local_tokens": "words"},
    "no layers": {"image": {"layers": 0}, "text": {"layers": 0}, "token_scale": 1.0},
    "mean": {**LOCAL, "global_pool": "mean"},
    "listing": {**GRID, "global_pool": "listing", "local_layer": 1, "local_tokens": "words"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradient_of_the_whole_model(options: dict, rng: np.random.Generator) -> None:
    model = small_model(**options)
    if "visual.registers" in model.parameters:
        # The first norm divides rows of .02 by their size: too curved for differences.
        model.parameters["visual.registers"].data[...] *= 20
    assert_gradients_are_differences(model, small_batch(rng), rng)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_float32_agrees_and_bits_do_not_depend_on_threads(options: dict, rng) -> None:
    wide, narrow, data = (
        small_model(**options),
        small_model(np.float32, **options),
        small_batch(rng),
    )
    for name, parameter in narrow.parameters.items():
        wide.parameters[name].data[...] = parameter.data
    exact, seen = wide(*data), []
    weights = {n: rng.normal(size=getattr(exact, n).shape).astype("f4") for n in FEATURES}
    expected = gradients(wide, data, {n: w.astype("f8") for n, w in weights.items()})
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        out, found = narrow(*data), gradients(narrow, data, weights)
        arrays = [*(getattr(out, name).data for name in FEATURES), *found.values()]
        seen.append([array.tobytes() for array in arrays])
    assert all(bits == seen[0] for bits in seen)
    for name in FEATURES:
        assert_close(getattr(out, name).data, getattr(exact, name).data, FLOAT32, name)
    for name in expected:
        assert_close(found[name], expected[name], FLOAT32, name)


@pytest.mark.parametrize("name", ["nano-local", "tiny-local"])
def test_patches_of_one_colour_cannot_be_told_apart(name: str) -> None:
    """Nothing tells a patch where it is: neither the border nor a position."""
    model = create_model(name, vocab_size=20)
    size = model.config.image_size
    _, patches = model.encode_image(np.full((1, 3, size, size), 0.7, "f4"), return_patches=True)
    assert (patches == patches[:, :1]).all()
    assert patches.std() > 0.1


def test_a_word_is_the_same_wherever_it_stands(rng: np.random.Generator) -> None:
    words, context = small_model(**LOCAL), small_model(**{**LOCAL, "local_tokens": "context"})
    text = np.array([[3, 5, 3, 7, 0, 0, 0], [7, 3, 9, 0, 0, 0, 0]], np.int32)
    for model, equal in ((words, True), (context, False)):
        pooled, tokens = model.encode_text(text, return_tokens=True)
        assert np.array_equal(tokens[0, 0], tokens[0, 2]) == equal
        assert np.array_equal(tokens[0, 0], tokens[1, 1]) == equal
        turned, _ = model.encode_text(text[:, [1, 0, 2, 3, 4, 5, 6]], return_tokens=True)
        assert not np.array_equal(turned, pooled)  # the global path reads the order
        assert not tokens[0, 4:].any()


def test_global_means_are_those_of_what_the_local_loss_reads(rng: np.random.Generator) -> None:
    for pool in ("mean", "listing"):
        model, (image, text, mask) = small_model(**{**LOCAL, "global_pool": pool}), small_batch(rng)
        out = model(image, text, mask)
        assert_close(out.image_global.data, out.patches.data.mean(axis=1), FLOAT64)
        valid = np.ones_like(mask) if pool == "listing" else mask
        means = [t[v].mean(axis=0) for t, v in zip(out.tokens.data, valid, strict=True)]
        assert_close(out.text_global.data, np.stack(means), FLOAT64)
        unread = ("ln_", "transformer", "positional", "head", "attn_pool")
        names = [n.removeprefix("visual.") for n in model.parameters]
        assert not [n for n in names if n.startswith((*unread, "adapter"))]


def test_layers_behind_the_tap_do_not_change_the_patches(rng: np.random.Generator) -> None:
    model, (image, _, _) = small_model(**OPTIONS["after"]), small_batch(rng)
    pooled, patches = model.encode_image(image, return_patches=True)
    for name, changes in (("transformer.resblocks.1", False), ("transformer.resblocks.0", True)):
        for full, parameter in model.parameters.items():
            if full.startswith(f"visual.{name}"):
                parameter.data[...] += 0.1
        other_pooled, other = model.encode_image(image, return_patches=True)
        assert not np.array_equal(other_pooled, pooled)
        assert (not np.array_equal(other, patches)) == changes


def test_registers_are_seen_and_not_returned(rng: np.random.Generator) -> None:
    model, (image, _, _) = small_model(**OPTIONS["windows"]), small_batch(rng)
    _, patches = model.encode_image(image, return_patches=True)
    assert patches.shape == (4, 16, 5)
    model.parameters["visual.registers"].data[...] += 1.0
    _, other = model.encode_image(image, return_patches=True)
    assert (other != patches).any(axis=-1).all()


@pytest.mark.parametrize("queries", [1, 3])
def test_attention_pool_by_hand(queries: int, rng: np.random.Generator) -> None:
    pool = AttentionPool(6, 2, queries, np.dtype(np.float64))
    values = {}
    for name, parameter in pool.named_parameters():
        parameter.data[...] = values[name] = rng.normal(size=parameter.shape)
    x, valid = rng.normal(size=(3, 5, 6)), rng.random((3, 5)) < 0.7
    valid[:, 0] = True
    found = pool(Tape(record=False), Tensor(x), valid).data
    q = values["queries"] @ values["q.weight"].T + values["q.bias"]
    k, v = np.split(x @ values["kv.weight"].T + values["kv.bias"], 2, axis=-1)
    expected = np.empty((3, queries, 6))
    for head in (slice(0, 3), slice(3, 6)):
        weights = np.exp(q[:, head] @ k[:, :, head].transpose(0, 2, 1) / np.sqrt(3))
        weights = weights * valid[:, None, :]
        expected[:, :, head] = weights / weights.sum(-1, keepdims=True) @ v[:, :, head]
    flat = expected.reshape(3, -1) @ values["proj.weight"].T + values["proj.bias"]
    assert_close(found, flat, FLOAT64)


def test_dense_patches_of_a_pool_are_pooled_alone(rng: np.random.Generator) -> None:
    """Of an image of one patch the dense patch is the global vector; none depends on another."""
    options = {**LOCAL, "image": {"layers": 1}}
    single = small_model(**{**options, "image_size": 4})
    image = rng.normal(size=(3, 3, 4, 4))
    assert_close(single.encode_dense(image)[:, 0], single.encode_image(image), FLOAT64)
    model, (image, _, _) = small_model(**LOCAL), small_batch(rng)
    moved = image.copy()
    moved[:, :, -1, -1] += 1.0
    same = (model.encode_dense(image) == model.encode_dense(moved)).all(axis=(0, 2))
    assert same.reshape(4, 4).tolist() == [[True] * 4] * 2 + [[True] * 2 + [False] * 2] * 2


def test_a_conv_stem_takes_pictures_of_another_size(rng: np.random.Generator) -> None:
    model = small_model(**LOCAL)
    larger = model.resized(24)
    assert larger.config.grid == (6, 6)
    image = np.pad(rng.normal(size=(1, 3, 16, 16)), ((0, 0), (0, 0), (0, 8), (0, 8)), "edge")
    _, patches = larger.encode_image(image, return_patches=True)
    _, before = model.encode_image(image[:, :, :16, :16], return_patches=True)
    inner = patches.reshape(6, 6, 5)[:2, :2]  # further from the seam than a patch can read
    assert_close(inner, before.reshape(4, 4, 5)[:2, :2], FLOAT64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_stem": "resnet"}, "image_stem: expected 'patch' or 'conv'"),
        ({"image_stem": "conv", "patch_size": 12, "image_size": 96}, "patch_size: .* power of 2"),
        ({"image_stem": "conv", "patch_size": 1}, "patch_size: .* power of 2"),
        ({"image_positions": "both"}, "image_positions: expected 'before', 'after' or 'none'"),
        ({"image_positions": "after"}, "image_positions: 'after' adds .* local_layer must be set"),
        ({"image_positions": "after", "local_layer": 3}, "image_positions: 'after'"),
        (
            {"image_positions": "after", "local_layer": 1, "global_pool": "mean"},
            "image_positions: 'after'",
        ),
        ({"attention_window": 4}, r"attention_window: expected 0 .* or an odd number, found 4"),
        ({"attention_window": -1}, "attention_window: .*found -1"),
        ({"attention_window": 3, "image": {"layers": 0}}, "attention_window: .*without attention"),
        ({"registers": 2, "image": {"layers": 0}}, "registers: .*without attention"),
        (
            {"registers": 2, "local_layer": 0, "global_pool": "mean"},
            "registers: .*without attention",
        ),
        ({"registers": -1}, "registers: expected a whole number of at least 0"),
        ({"registers": 1.0}, "registers"),
        ({"local_layer": 4}, "local_layer: .*from 0 to 3, found 4"),
        ({"local_layer": -1}, "local_layer"),
        ({"local_layer": True}, "local_layer"),
        ({"pool_queries": 4}, "pool_queries: expected None with global_pool='text'"),
        ({"pool_queries": 0, "global_pool": "attention"}, "pool_queries: .*at least 1"),
        ({"local_tokens": "bytes"}, "local_tokens: expected 'context' or 'words'"),
        ({"token_scale": 0}, "token_scale: expected a finite number above 0, found 0"),
        ({"token_scale": float("nan")}, "token_scale"),
        ({"token_scale": "large"}, "token_scale"),
        ({"image": {"layers": -1}}, "image.layers: expected a whole number of at least 0"),
    ],
)
def test_contradictions_name_their_field(options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        create_model("nano", seed=None, **options)


def test_a_configuration_from_before_is_the_same_model() -> None:
    """Checkpoints without the fields that are ours, and what is written of a model without them."""
    for name in ("tiny", "small", "vit-b-16"):
        values = json.loads(json.dumps(PRESETS[name].to_dict()))
        assert not set(OURS) & set(values)
        assert ModelConfig.from_dict(values) == PRESETS[name]
        for field in OURS:
            assert ModelConfig.from_dict({**values, field: getattr(PRESETS[name], field)})
    written = PRESETS["nano-local"].to_dict()
    assert set(OURS) & set(written) == {
        "image_stem", "image_positions", "local_layer", "local_tokens", "token_scale",
    }  # fmt: skip
    assert written["local_layer"] == 0


def test_names_of_what_is_added() -> None:
    names = list(create_model("nano-local", vocab_size=20, seed=None).parameters)
    visual = [n.removeprefix("visual.") for n in names if n.startswith("visual.")]
    stem = [f"stem.convs.{i}" for i in range(3)] + ["stem.block.conv", "stem.block.proj"]
    parts = [*stem, "local_norm", "local_adapter", "ln_post", "attn_pool.q", "attn_pool.kv"]
    parts += ["attn_pool.proj", "head", "adapter"]
    expected = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    assert sorted(visual) == sorted([*expected, "attn_pool.queries"])
    text = [n for n in names if not n.startswith(("visual.", "transformer."))]
    assert {"local_norm.weight", "local_adapter.bias", "positional_embedding"} <= set(text)


def test_initial_values_follow_what_an_output_reads() -> None:
    model = create_model("nano-local", vocab_size=500)
    spreads = {
        "visual.stem.convs.2.weight": (9 * 32) ** -0.5,
        "visual.stem.block.conv.weight": (9 * 64) ** -0.5,
        "visual.stem.block.proj.weight": 128**-0.5,
        "visual.attn_pool.proj.weight": 256**-0.5,
        "token_embedding.weight": 1.0,
    }
    for name, spread in spreads.items():
        # A normal cut at two spreads has standard deviation 0.8796 spreads.
        found = model.parameters[name].data.std()
        assert found == pytest.approx(0.8796 * spread, rel=0.03), name
    for name in ("visual.attn_pool.queries", "visual.local_norm.weight", "local_norm.bias"):
        assert not model.parameters[name].decay
    assert model.parameters["visual.stem.convs.0.weight"].decay


def test_parts_are_frozen_by_name(rng: np.random.Generator) -> None:
    model, data = small_model(**LOCAL), small_batch(rng)
    model.freeze("visual.stem")
    model.freeze("token_embedding")
    out = model(*data)
    weights = {n: np.ones_like(getattr(out, n).data) for n in FEATURES}
    model.zero_grad()
    tape = Tape()
    out = model(*data, tape=tape)
    tape.backward({getattr(out, n): weights[n] for n in FEATURES})
    for name, parameter in model.parameters.items():
        frozen = name.startswith(("visual.stem", "token_embedding"))
        assert (parameter.grad is None) == frozen
        if not frozen and name != "logit_scale" and "attn_pool.q" not in name:
            assert parameter.grad.any(), name
