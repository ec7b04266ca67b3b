"""Blocks computed again in the backward pass: the same bits from less memory."""

from __future__ import annotations

import numpy as np
import pytest
import small_training
from model_gradients import gradients
from small_model import FEATURES, small_batch, small_model

from csparc import nn
from csparc.models import create_model

MODELS = [
    {},
    {"local_layer": 1, "registers": 1},
    {"global_pool": "class"},
    {"local_layer": 0, "image_stem": "conv", "global_pool": "attention", "local_tokens": "words"},
    {"causal": True, "global_pool": "listing"},
]


def both(model, data, weights) -> list[dict]:
    """Gradients of a plain pass, and of one that computes blocks again."""
    found = [gradients(model, data, weights)]
    model.zero_grad()
    tape = nn.Tape(remat=True)
    out = model(*data, tape=tape)
    tape.backward({getattr(out, name): weights[name] for name in FEATURES})
    return [*found, {n: p.grad.copy() for n, p in model.parameters.items() if p.requires_grad}]


@pytest.mark.parametrize("options", MODELS, ids=str)
def test_gradients_are_the_same_bits(options, rng):
    model, data = small_model(np.float32, **options), small_batch(rng)
    data = (data[0].astype(np.float32), *data[1:])
    out = model(*data)
    weights = {
        name: rng.normal(size=getattr(out, name).shape).astype(np.float32) for name in FEATURES
    }
    plain, again = both(model, data, weights)
    for name, gradient in plain.items():
        np.testing.assert_array_equal(again[name], gradient, err_msg=name)


def test_frozen_layers_are_not_computed_again(rng, monkeypatch):
    model, data = small_model(), small_batch(rng)
    model.freeze("visual.conv1")
    model.freeze("visual.positional_embedding")
    model.freeze("visual.transformer.resblocks.0")
    calls = []
    plain = nn.modules.Block._forward
    monkeypatch.setattr(nn.modules.Block, "_forward", lambda self, *given: (
        calls.append(self) or plain(self, *given)
    ))  # fmt: skip
    tape = nn.Tape(remat=True)
    out = model(*data, tape=tape)
    tape.backward({out.image_global: np.ones_like(out.image_global.data)})
    blocks = model.visual.transformer.resblocks
    assert [calls.count(block) for block in blocks] == [1, 2]


def test_activations_take_a_third_at_most(rng):
    model = create_model("nano", vocab_size=100)
    image = rng.normal(size=(16, 3, 64, 64)).astype(np.float32)
    text = rng.integers(1, 100, (16, 32)).astype(np.int32)
    held = []
    for remat in (False, True):
        before = nn.BUFFERS.in_use()
        tape = nn.Tape(remat=remat)
        out = model(image, text, tape=tape)
        held.append(nn.BUFFERS.in_use() - before)
        tape.backward({out.image_global: np.ones_like(out.image_global.data)})
    assert 3 * held[1] <= held[0]


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_run_may_go_on_either_way(micro_batch, tmp_path):
    settings = {"val_data": None, "micro_batch": micro_batch, "steps": 3}
    plain = small_training.trainer(**settings)
    plain.run()
    again = small_training.trainer(tmp_path, remat=True, **settings)
    again.run()
    for name, array in small_training.weights(plain).items():
        np.testing.assert_array_equal(array, small_training.weights(again)[name], err_msg=name)
    small_training.trainer(tmp_path, resume="latest", **settings).run()
