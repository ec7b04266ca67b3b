"""Heads on rows that were kept give what a call of the model gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from small_model import FEATURES, small_batch, small_model

from csparc.models import frozen
from csparc.models.frozen import RowLayout, image_rows, is_head, kept_positions, text_rows
from csparc.nn import Tape

LOCAL = {"patch_size": 4, "local_layer": 1, "local_tokens": "words"}
KINDS = {
    "text": {},
    "text, local": LOCAL,
    "listing": {"global_pool": "listing"},
    "listing, local": {"global_pool": "listing", **LOCAL},
    "mean": {"global_pool": "mean"},
    "mean, local": {"global_pool": "mean", **LOCAL},
    "attention": {"global_pool": "attention"},
    "attention, local": {"global_pool": "attention", "registers": 1, **LOCAL},
    "class": {"global_pool": "class", "text_pool": "argmax"},
    "class, local": {"global_pool": "class", "text_pool": "eos", "eos_id": 10, **LOCAL},
    "map": {"global_pool": "map", "shared_width": 8, "text_pool": "last"},
    "map, local": {"global_pool": "map", "shared_width": 8, **LOCAL},
}


def batch_of(options: dict, rng: np.random.Generator):
    """Pictures and captions; those of a model with an end token end with it."""
    image, text, mask = small_batch(rng)
    if "eos_id" in options:
        text = np.minimum(text, 9)
        text[np.arange(len(text)), mask.sum(axis=1) - 1] = 10
    return image, text, mask


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_the_two_steps_are_the_forward_pass(options, rng):
    model = small_model(**options)
    image, text, mask = batch_of(options, rng)
    given = None if "text_pool" in options else mask
    whole = model(image, text, given)
    pictures, captions = image_rows(model, image), text_rows(model, text, given)
    parts = frozen.forward(model, pictures, text, given, captions, Tape(record=False))
    for name in FEATURES:
        np.testing.assert_array_equal(getattr(parts, name).data, getattr(whole, name).data)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_the_layout_says_what_there_is(options, rng):
    model, layout = small_model(**options), RowLayout.of(small_model(**options).config)
    image, text, mask = batch_of(options, rng)
    shape = image_rows(model, image).shape
    assert shape == (4, layout.image + layout.image_whole, layout.image_width)
    rows = text_rows(model, text, mask)
    assert rows.shape == (4, 7 + layout.text_whole, layout.text_width)
    kept = kept_positions(model, mask)
    assert not rows[:, :7][~kept].any()
    assert rows[:, :7][kept].any(axis=1).all()


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_gradients_of_the_heads_are_those_of_locked_towers(options, rng):
    image, text, mask = batch_of(options, rng)
    given = None if "text_pool" in options else mask
    found = []
    for kept in (False, True):
        model = small_model(**options)
        frozen.lock_towers(model)
        tape = Tape()
        if kept:
            rows = image_rows(model, image), text_rows(model, text, given)
            out = frozen.forward(model, rows[0], text, given, rows[1], tape)
        else:
            out = model(image, text, given, tape=tape)
        tape.backward({getattr(out, name): getattr(out, name).data for name in FEATURES})
        found.append({n: p.grad for n, p in model.parameters.items() if p.requires_grad})
    assert all(map(is_head, found[0]))
    assert {"adapter.weight", "local_adapter.weight"} & set(found[0])
    for name, gradient in found[0].items():
        np.testing.assert_array_equal(found[1][name], gradient)


def test_rows_of_another_shape_are_refused(rng):
    model = small_model()
    image, text, mask = small_batch(rng)
    rows = image_rows(model, image), text_rows(model, text, mask)
    with pytest.raises(ValueError, match="rows: expected"):
        frozen.forward(model, rows[0][:, 1:], text, mask, rows[1], Tape())
    with pytest.raises(ValueError, match="rows: expected"):
        frozen.forward(model, rows[0], text, mask, rows[1][:, 1:], Tape())
