"""Modules of PyTorch own what their objective learns, under open_clip's names.

They train and save it; a loss that is registered later has function and module too.
"""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import tensor_calls

from csparc.losses import LOSSES, Loss, LossOutput, Part, register, registry

torch = pytest.importorskip("torch")

import csparc.torch as ct  # noqa: E402


def module(loss, **how):
    made = getattr(ct, LOSSES[loss].__name__)
    return made(embed_dim=tensor_calls.D, **tensor_calls.options(loss), **how)


@pytest.mark.parametrize("loss", LOSSES)
def test_parameters(loss):
    made = module(loss)
    built = tensor_calls.made(loss)
    assert [*made.state_dict()] == ["logit_scale", *built.parameters]
    assert made.logit_scale.shape == ()
    assert made.logit_scale.item() == pytest.approx(math.log(built.initial_logit_scale))
    for name, owned in built.parameters.items():
        assert np.array_equal(made.state_dict()[name].numpy().reshape(owned.shape), owned.data)
    assert "logit_scale" not in dict(module(loss, learn_logit_scale=False).named_parameters())


@pytest.mark.parametrize("loss", LOSSES)
def test_trains_and_reloads(loss, rng):
    """A step of an optimiser lowers the loss of what the module owns and of its inputs."""
    torch.manual_seed(0)
    made = module(loss)
    arrays = tensor_calls.batch(rng, loss, np.float32)
    masks = tensor_calls.masks(rng, loss)
    given = {name: torch.nn.Parameter(torch.from_numpy(x)) for name, x in arrays.items()}
    optimiser = torch.optim.AdamW([*made.parameters(), *given.values()], lr=0.01)
    before = made(**given, **masks)
    for _ in range(5):
        optimiser.zero_grad()
        made(**given, **masks).backward()
        optimiser.step()
        made.constrain()
    after = made(**given, **masks)
    assert after < before
    assert all(parameter.grad is not None for parameter in made.parameters())
    other = module(loss)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(**given, **masks), after)


def test_constrain():
    made = module("mgca")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(9.0)
    made.constrain(scale_max=50.0)
    for name in ("logit_scale", "local_logit_scale", "prototype_scale"):
        assert made.get_parameter(name).item() == pytest.approx(math.log(50.0))
    assert torch.allclose(made.prototypes.norm(dim=1), torch.ones(6))
    assert (made.get_parameter("word_attention.query") == 9.0).all()


def test_call_as_open_clip_makes_it(rng):
    """Features by its names, the model's own scale, a dict back; what else a model gives is
    passed over."""
    image, text = (
        torch.from_numpy(x) for x in tensor_calls.batch(rng, "clip", np.float32).values()
    )
    made = ct.ClipLoss()
    out = made(
        image_features=image, text_features=text, logit_scale=torch.tensor(20.0), patches=None,
        output_dict=True,
    )  # fmt: skip
    assert [*out] == ["contrastive_loss"]
    assert torch.equal(out["contrastive_loss"], ct.clip_loss(image, text, logit_scale=20.0))


def test_a_bias_of_the_model(rng):
    """As open_clip's models for SigLIP return it; CLIP's loss does not need it."""
    given = [torch.from_numpy(x) for x in tensor_calls.batch(rng, "siglip").values()]
    bias = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    loss = ct.SiglipLoss()(*given, logit_scale=20.0, logit_bias=bias)
    assert torch.equal(loss, ct.siglip_loss(*given, logit_scale=20.0, logit_bias=-3.0))
    loss.backward()
    assert bias.grad is not None
    clip = ct.ClipLoss()
    assert torch.equal(clip(*given, logit_bias=bias), clip(*given))


def test_wrong_arguments(rng):
    given = [torch.from_numpy(x) for x in tensor_calls.batch(rng, "clip").values()]
    with pytest.raises(TypeError, match=r"^clip_loss: expected at most 2 arrays"):
        ct.ClipLoss()(*given, torch.tensor(20.0))
    with pytest.raises(TypeError, match=r"^sigma: expected one of the inputs of ClipLoss"):
        ct.ClipLoss()(*given, sigma=0.5)
    with pytest.raises(TypeError, match="sigma"):
        ct.ClipLoss(sigma=0.5)


def test_copies_and_types(rng):
    """As an average of weights or a checkpoint of the whole module makes them."""
    made = copy.deepcopy(module("mgca").double())
    given = {n: torch.from_numpy(x) for n, x in tensor_calls.batch(rng, "mgca").items()}
    assert made.prototypes.dtype == torch.float64
    assert torch.equal(made(**given), pickle.loads(pickle.dumps(made))(**given))
    assert "MgcaLoss(" in repr(made)


def test_arrays_it_learns_need_a_width():
    with pytest.raises(TypeError, match="expected embed_dim, the width D"):
        ct.MgcaLoss()


def test_gather_without_processes(rng):
    made = ct.ClipLoss(gather_with_grad=True)
    given = {name: torch.from_numpy(x) for name, x in tensor_calls.batch(rng, "clip").items()}
    with pytest.raises(RuntimeError, match="init_process_group"):
        made(**given)


def test_a_loss_registered_later(rng):
    before = dict(LOSSES)
    try:

        @register
        @dataclass(frozen=True, repr=False)
        class LaterLoss(Loss):
            """Mean of squares, times the scale."""

            name = "later"
            label = "Later"
            inputs = ("image_global",)
            parts = (Part("square_loss", "Squares", "each vector with itself"),)
            takes_groups = False

            def _compute(self, image_global, *, logit_scale, grad, out_grads=None):
                mean = float((image_global**2).mean())
                grads = {
                    "image_global": logit_scale * 2 * image_global / image_global.size,
                    "logit_scale": mean,
                }
                return LossOutput(
                    logit_scale * mean, parts={"square_loss": mean}, grads=grads if grad else {}
                )

        x = torch.tensor(rng.normal(size=(3, 4)), requires_grad=True)
        assert torch.autograd.gradcheck(ct.later_loss, (x,))
        assert ct.LaterLoss()(x).item() == pytest.approx(x.square().mean().item() / 0.07)
        assert "later_loss" in dir(ct)
    finally:
        registry._CLASSES.clear()
        registry._CLASSES.update(before)
    with pytest.raises(AttributeError, match="later_loss"):
        ct.later_loss  # noqa: B018
