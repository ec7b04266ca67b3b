"""Towers are locked by groups from the projection down, and what stays unlocked learns the same."""

from __future__ import annotations

import numpy as np
import pytest
from model_gradients import gradients
from small_model import FEATURES, small_batch, small_model

from csparc import create_model
from csparc.models.groups import depths, tower_groups
from csparc.nn import Tape

CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "argmax",
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "shared_width": 8,
}  # fmt: skip


@pytest.mark.parametrize("name", ["nano", "nano-local"])
def test_every_parameter_is_in_one_group(name):
    names = create_model(name, vocab_size=300, seed=None).parameters
    listed = [n for side in ("image", "text") for group in tower_groups(names, side) for n in group]
    assert sorted([*listed, "logit_scale"]) == sorted(names)


def test_groups_are_those_of_open_clip():
    names = small_model(np.float32, **CLIP).parameters
    image, text = tower_groups(names, "image"), tower_groups(names, "text")
    assert image[-1] == ["visual.adapter.weight"]
    assert text[-1] == ["adapter.weight"]
    assert {"visual.ln_post.weight", "visual.ln_post.bias"} < set(image[-2])
    assert {"ln_final.weight", "ln_final.bias"} < set(text[-2])
    assert set(image[0]) == {
        "visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding",
        "visual.ln_pre.weight", "visual.ln_pre.bias",
    }  # fmt: skip
    assert set(text[0]) == {"token_embedding.weight", "positional_embedding"}
    assert all(f"resblocks.{i}." in n for i, g in enumerate(text[1:-2]) for n in g)


def test_depths_count_from_the_end():
    found = depths(small_model(np.float32, **SIGLIP).parameters)
    assert found["logit_scale"] == found["logit_bias"] == found["adapter.weight"] == 0
    assert found["visual.attn_pool.norm.weight"] == 0
    assert found["visual.ln_post.weight"] == 1
    assert found["visual.conv1.bias"] == max(found.values())


@pytest.mark.parametrize("form", [{}, CLIP, SIGLIP], ids=["paper", "clip", "siglip"])
@pytest.mark.parametrize("unlocked", [0, 1, 2, 3])
def test_what_is_unlocked_has_the_gradients_it_had(form, unlocked):
    """To the bit; what is locked has none and leaves nothing on the tape."""
    rng, model = np.random.default_rng(1), small_model(np.float64, **form)
    image, text, mask = small_batch(rng)
    data = (image, np.maximum(text, 1), np.ones_like(mask))
    out = model(*data)
    given = {name: rng.normal(size=getattr(out, name).shape) for name in FEATURES}
    expected = gradients(model, data, given)
    model.zero_grad()
    model.lock_image_tower(unlocked)
    model.lock_text_tower(unlocked)
    learns = {
        name
        for side in ("image", "text")
        for group in tower_groups(model.parameters, side)[::-1][:unlocked]
        for name in group
    }
    trained = {name for name, p in model.parameters.items() if p.requires_grad}
    assert trained - {"logit_scale", "logit_bias"} == learns
    tape = Tape()
    out = model(*data, tape=tape)
    if not unlocked:
        assert len(tape) == 0
        return
    tape.backward({getattr(out, name): given[name] for name in FEATURES})
    for name in learns:
        np.testing.assert_array_equal(model.parameters[name].grad, expected[name], err_msg=name)


def test_locking_again_thaws_and_freezes():
    model = small_model(np.float32)
    model.lock_text_tower()
    model.lock_text_tower(unlocked_layers=99)
    assert all(parameter.requires_grad for parameter in model.parameters.values())
    with pytest.raises(ValueError, match="unlocked_groups: expected a whole number of at least 0"):
        model.lock_image_tower(-1)
