"""The two-tower model: gradients, types, threads, padding, options, weights in and out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from model_gradients import assert_gradients_are_differences, gradients
from small_model import FEATURES, small_batch, small_model
from tolerances import FLOAT32, FLOAT64, IDENTITY, assert_close

import csparc
from csparc.errors import CheckpointError, DataError
from csparc.models import PRESETS, create_model
from csparc.nn import Tape

OPTIONS = [
    {},
    {"causal": True, "head_activation": "quick_gelu", "activation": "quick_gelu"},
    {"global_pool": "listing"},
    {"global_pool": "mean"},
    {"head_activation": "none"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradient_of_the_whole_model(options: dict, rng: np.random.Generator) -> None:
    assert_gradients_are_differences(small_model(**options), small_batch(rng), rng)


def test_float32_agrees_with_float64(rng: np.random.Generator) -> None:
    wide, narrow, data = small_model(), small_model(np.float32), small_batch(rng)
    for name, parameter in narrow.parameters.items():
        np.testing.assert_array_equal(parameter.data, wide.parameters[name].data.astype("f4"))
        wide.parameters[name].data[...] = parameter.data
    first, second = wide(*data), narrow(*data)
    for name in FEATURES:
        assert getattr(second, name).data.dtype == np.float32
        assert_close(getattr(second, name).data, getattr(first, name).data, FLOAT32, name)
    weights = {name: rng.normal(size=getattr(first, name).shape) for name in FEATURES}
    exact = gradients(wide, data, weights)
    found = gradients(narrow, data, {n: w.astype("f4") for n, w in weights.items()})
    for name in exact:
        assert_close(found[name], exact[name], FLOAT32, name)


def test_same_bits_on_any_threads(rng: np.random.Generator) -> None:
    model, data, seen = small_model(np.float32), small_batch(rng), []
    for threads in (1, 2, 3, 7):
        csparc.set_num_threads(threads)
        out = model(*data)
        weights = {name: getattr(out, name).data for name in FEATURES}
        found = gradients(model, data, weights)
        seen.append([a.tobytes() for a in (*weights.values(), *found.values())])
    assert all(bits == seen[0] for bits in seen)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_nothing(causal: bool, rng: np.random.Generator) -> None:
    """Neither what the padding holds nor how much of it there is."""
    model = small_model(causal=causal)
    _, text, mask = small_batch(rng)
    pooled, tokens = model.encode_text(text, return_tokens=True, text_mask=mask)
    other = np.where(mask, text, rng.integers(1, 11, text.shape))
    pooled_other, tokens_other = model.encode_text(other, return_tokens=True, text_mask=mask)
    np.testing.assert_array_equal(pooled_other, pooled)
    np.testing.assert_array_equal(tokens_other[mask], tokens[mask])
    short, tokens_short = model.encode_text(text[1:3, :3], return_tokens=True)
    assert_close(short, pooled[1:3], FLOAT64)
    assert_close(tokens_short[0], tokens[1, :3], FLOAT64)


@pytest.mark.parametrize("causal", [False, True])
def test_packed_tokens_are_those_of_all_positions(causal: bool, rng: np.random.Generator) -> None:
    """The listing's pooling computes padding too; valid tokens must come out the same."""
    _, text, mask = small_batch(rng)
    mask[0, 2] = mask[3, 0] = False
    packed, whole = (small_model(global_pool=g, causal=causal) for g in ("text", "listing"))
    _, tokens = packed.encode_text(text, return_tokens=True, text_mask=mask)
    _, expected = whole.encode_text(text, return_tokens=True, text_mask=mask)
    assert_close(tokens[mask], expected[mask], FLOAT64)
    assert not tokens[~mask].any()
    assert expected[~mask].any()


def test_listing_means_over_all_positions(rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(global_pool="listing"), small_batch(rng)
    out = model(image, text, mask)
    assert "visual.head.weight" not in model.parameters
    assert_close(out.image_global.data, out.patches.data.mean(axis=1), FLOAT64)
    assert_close(out.text_global.data, out.tokens.data.mean(axis=1), FLOAT64)


def test_means_of_what_is_valid_without_a_head(rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(global_pool="mean"), small_batch(rng)
    out = model(image, text, mask)
    assert "visual.head.weight" not in model.parameters
    assert_close(out.image_global.data, out.patches.data.mean(axis=1), FLOAT64)
    means = [tokens[valid].mean(axis=0) for tokens, valid in zip(out.tokens.data, mask)]
    assert_close(out.text_global.data[mask.any(axis=1)], np.stack(means), FLOAT64)


def test_causal_tokens_see_only_what_came_before(rng: np.random.Generator) -> None:
    text = rng.integers(1, 11, (2, 7)).astype(np.int32)
    changed = text.copy()
    changed[:, 5] = text[:, 5] % 10 + 1
    for causal in (True, False):
        model = small_model(causal=causal)
        _, before = model.encode_text(text, return_tokens=True)
        _, after = model.encode_text(changed, return_tokens=True)
        assert np.array_equal(after[:, :5], before[:, :5]) == causal


def test_encode_equals_the_training_forward(rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(np.float32), small_batch(rng)
    out = model(image, text, mask, tape=Tape())
    pooled, patches = model.encode_image(image, return_patches=True)
    np.testing.assert_array_equal(pooled, out.image_global.data)
    np.testing.assert_array_equal(patches, out.patches.data)
    pooled, tokens = model.encode_text(text, return_tokens=True)
    np.testing.assert_array_equal(pooled, out.text_global.data)
    np.testing.assert_array_equal(tokens, out.tokens.data)
    np.testing.assert_array_equal(model.get_text_features(text), pooled)
    np.testing.assert_array_equal(model.get_image_features(image), model.encode_image(image))


def test_dense_patches_take_the_global_path(rng: np.random.Generator) -> None:
    """Of an image of one patch the dense patch is the global vector; the listing has no h_v."""
    config = small_model().config
    single = small_model(image_size=config.patch_size)
    image = rng.normal(size=(3, 3, config.patch_size, config.patch_size))
    dense = single.encode_dense(image)
    assert_close(dense[:, 0], single.encode_image(image), FLOAT64)
    unit = single.encode_dense(image, normalize=True)
    assert_close((unit**2).sum(axis=-1), np.ones((3, 1)), FLOAT64)
    listing, (image, _, _) = small_model(global_pool="listing"), small_batch(rng)
    np.testing.assert_array_equal(
        listing.encode_dense(image), listing.encode_image(image, return_patches=True)[1]
    )


def test_normalized_features_and_logits(rng: np.random.Generator) -> None:
    model, (image, text, _) = small_model(), small_batch(rng)
    pooled, patches = model.encode_image(image, normalize=True, return_patches=True)
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=-1), 1.0, rtol=IDENTITY)
    np.testing.assert_allclose(np.linalg.norm(patches, axis=-1), 1.0, rtol=IDENTITY)
    rows, columns = model.get_logits(image, text[:3])
    assert rows.shape == (4, 3)
    np.testing.assert_array_equal(columns, rows.T)
    texts = model.encode_text(text[:3], normalize=True)
    assert_close(rows, pooled @ texts.T / 0.07, FLOAT64)
    assert model.logit_scale.data == pytest.approx(math.log(1 / 0.07))


def test_results_are_not_overwritten_by_later_calls(rng: np.random.Generator) -> None:
    model, (image, _, _) = small_model(np.float32), small_batch(rng)
    first = model.encode_image(image)
    kept = first.copy()
    model.encode_image(-image)
    np.testing.assert_array_equal(first, kept)


def test_seed_decides_the_weights() -> None:
    one, same, other = small_model(), small_model(), small_model(seed=1)
    assert one.parameters["visual.conv1.weight"].data.std() > 0
    for name, parameter in one.parameters.items():
        np.testing.assert_array_equal(parameter.data, same.parameters[name].data)
    assert not np.array_equal(
        one.parameters["adapter.weight"].data, other.parameters["adapter.weight"].data
    )
    for scale in (0.02, 1.0):
        model = create_model("nano", token_scale=scale)
        spread = model.parameters["token_embedding.weight"].data
        # A normal cut at two spreads has standard deviation 0.8796 spreads.
        assert spread.std() == pytest.approx(scale * 0.8796, rel=0.01)
        assert np.abs(spread).max() <= 2 * scale


def test_only_matrices_decay() -> None:
    model = create_model("nano", vocab_size=20)
    for name, parameter in model.parameters.items():
        matrix = name.endswith("weight") and "ln_" not in name
        assert parameter.decay == matrix, name


def test_names_are_those_of_open_clip() -> None:
    names = set(create_model("nano", vocab_size=20, seed=None).parameters)
    for tower, layers in (("visual.transformer", 3), ("transformer", 2)):
        for i in range(layers):
            for part in ("ln_1", "attn.out_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
                for kind in ("weight", "bias"):
                    names.remove(f"{tower}.resblocks.{i}.{part}.{kind}")
            names.remove(f"{tower}.resblocks.{i}.attn.in_proj_weight")
            names.remove(f"{tower}.resblocks.{i}.attn.in_proj_bias")
    assert names == {
        "visual.conv1.weight",
        "visual.positional_embedding",
        "visual.ln_post.weight",
        "visual.ln_post.bias",
        "visual.head.weight",
        "visual.head.bias",
        "visual.adapter.weight",
        "visual.adapter.bias",
        "token_embedding.weight",
        "positional_embedding",
        "ln_final.weight",
        "ln_final.bias",
        "adapter.weight",
        "adapter.bias",
        "logit_scale",
    }


def test_freeze_names_what_it_froze() -> None:
    model = small_model()
    assert model.freeze("visual.adapter") == ["visual.adapter.weight", "visual.adapter.bias"]
    assert model.parameters["visual.adapter.weight"].grad is None
    model.freeze("visual.adapter", frozen=False)
    assert model.parameters["visual.adapter.weight"].grad is not None
    with pytest.raises(ValueError, match="no parameter's name begins with 'vision'"):
        model.freeze("vision")


def test_overrides_reach_the_config() -> None:
    model = create_model("tiny", vocab_size=30, image={"layers": 1}, causal=True, seed=None)
    assert model.config.image.layers == 1
    assert model.config.image.width == 192
    assert model.config.causal


def test_transforms_fit_the_model() -> None:
    model, train, val = csparc.create_model_and_transforms("nano", vocab_size=30, seed=None)
    picture = np.full((70, 90, 3), 128, np.uint8)
    image = val(picture)
    assert image.dtype == np.float32
    assert model.encode_image(image[None]).shape == (1, 64)
    assert train is not val
    assert csparc.list_models() == list(PRESETS)


def test_an_option_that_is_none_is_named():
    with pytest.raises(TypeError, match=r"^weights: expected a field of .*load_checkpoint"):
        csparc.create_model_and_transforms("nano", weights="laion2b")


def test_weights_that_would_have_to_be_downloaded_are_refused():
    with pytest.raises(CheckpointError, match=r"^pretrained: .* 'laion2b'; nothing is downloaded"):
        csparc.create_model_and_transforms("nano", pretrained="laion2b")


def test_a_model_has_no_tokenizer_of_its_own():
    with pytest.raises(ValueError, match=r"^path: expected a tokenizer's file, found .*'nano'"):
        csparc.get_tokenizer("nano")


def test_get_tokenizer_takes_paths(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: expected a tokenizer\.json"):
        csparc.get_tokenizer(tmp_path / "none.json")
