"""Settings with which nothing can be learned are one warning, whichever of them they are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import small_training

import csparc
from csparc.losses import LOSSES, as_loss, make_loss
from csparc.trainer import TrainConfig
from csparc.trainer.senseless import nothing_to_learn

ALONE = {
    "clip": [], "siglip": [], "filip": [], "pacl": [], "gloria": [], "clip+filip": [],
    "sparc": ["local_weight=0"], "mgca": ["token_weight=0", "prototype_weight=0"],
    "word-contrast": [], "clip+words": [], "clip+filip+words": [],
    "sparc+words": ["local_weight=0"],
}  # fmt: skip
"""Losses that tell a pair from other pairs alone, with the options that make them so."""


@pytest.mark.parametrize("name", ALONE)
def test_a_batch_of_one_is_told(name):
    loss = make_loss(name, ALONE[name])
    told = nothing_to_learn(TrainConfig(steps=9, batch_size=1), loss, 9)
    assert told.startswith(f"batch_size: {loss.label} tells a pair from the other pairs")
    assert nothing_to_learn(TrainConfig(steps=9, batch_size=2), loss, 9) is None


def test_every_loss_is_looked_at():
    assert set(ALONE) == set(LOSSES)


class Own:
    """A caller's own loss, which says nothing of what it contrasts."""

    inputs = ("image_global", "text_global")

    def config(self) -> dict:
        return {"loss": "own"}

    def __call__(self, **call):
        raise AssertionError


@pytest.mark.parametrize("loss", ["sparc", "mgca", Own()])
def test_a_loss_that_learns_from_one_pair_is_not_told(loss):
    assert nothing_to_learn(TrainConfig(steps=9, batch_size=1), as_loss(loss), 9) is None


@pytest.mark.parametrize("name", [name for name in ALONE if name != "siglip"])
def test_what_it_says_is_so(name, rng):
    """One pair alone has no gradient (SigLIP's only pushes its pair together)."""
    loss = make_loss(name, ALONE[name])
    loss.prepare(8)
    shapes = {"patches": (1, 4, 8), "tokens": (1, 3, 8), "image_global": (1, 8),
              "text_global": (1, 8)}  # fmt: skip
    arrays = {key: rng.normal(size=shape) for key, shape in shapes.items()}
    words = {"word_ids": [[0, 1, 2]]} if "word_ids" in loss.inputs else {}
    out = loss(**arrays, **words, grad=True)
    assert max(np.abs(out.grads[key]).max() for key in loss.inputs if key in arrays) < 1e-12


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"warmup": 100, "steps": 4}, "warmup: 100 steps .* in a run of 4: .* ends at 4 % of lr"),
        ({"warmup": 4, "steps": 4}, "ends at 100 % of lr"),
        ({"lr": 0.0, "steps": 4}, "lr: with a learning rate of 0 no weight changes"),
        ({"loss": "clip", "batch_size": 1, "steps": 2}, "batch_size: CLIP tells a pair"),
        ({"loss": "clip", "batch_size": 1, "lr": 0.0, "steps": 2}, "batch_size: .*; lr: "),
    ],
)
def test_a_run_warns_once(settings, says, tmp_path):
    with pytest.warns(UserWarning, match=says) as said:
        small_training.trainer(val_data=None, **settings).run()
    assert len(said) == 1


@pytest.mark.parametrize("settings", [{"warmup": 3, "steps": 4}, {"steps": 1}, {"warmup": 0}])
def test_a_run_that_learns_does_not_warn(settings):
    small_training.trainer(val_data=None, **settings).run()


@pytest.mark.parametrize("mask", [np.zeros((2, 3), bool), np.zeros((2, 3)), np.zeros(2, int)])
@pytest.mark.parametrize("name", ["text_mask", "patch_mask"])
def test_a_mask_that_leaves_nothing_is_told(mask, name, rng):
    arrays = rng.normal(size=(2, 2, 3, 4))
    with pytest.warns(UserWarning, match=f"{name}: no entry of the batch is valid") as said:
        csparc.sparc_loss(*arrays, **{name: mask})
    assert len(said) == 1
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        csparc.sparc_loss(*arrays, **{name: [[1, 0, 0], [0, 0, 0]]})
