"""A batch in micro-batches has the gradient of the whole batch, whatever the loss."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import small_training
from tolerances import FLOAT32, FLOAT64

from csparc.data.loading.loader import Loader
from csparc.errors import CheckpointError, TrainingError
from csparc.losses import LOSSES, make_loss
from csparc.losses.registry import extra_text_losses
from csparc.nn import BUFFERS
from csparc.optim import AdamW
from csparc.trainer import TrainConfig
from csparc.trainer.step import Step, introduce

OPTIONS = [
    *((name, ()) for name in LOSSES),
    ("sparc", ("learn_local_logit_scale=true", "local_logit_scale=5", "global_weight=0.7")),
    ("sparc", ("reduction=token",)),
    ("sparc", ("local_patches=shuffled",)),
    ("clip+words", ("negatives=2",)),
]


@functools.cache
def everything() -> dict:
    """Eight pairs with words, hard negatives and groups; the third caption has no word that a local
    loss reads."""
    run = small_training.trainer(val_data=None)
    with Loader(
        small_training.mistaken(), run.tokenizer, run.preprocess, 8, words=True,
        hard_negatives=True, duplicates="group",
    ) as loader:  # fmt: skip
        batch = next(loader)
    batch["image"] = batch["image"].astype(np.float64)
    batch["loss_mask"][2] = False
    batch["group"] = np.array([0, 1, 2, 3, 4, 0, 1, 5])
    return batch


def a_batch(*kept: str) -> dict:
    """Of `everything` the pairs, and the marks that are named."""
    marks = {"hard_negative", "hard_negative_mask", "group"} - set(kept)
    return {name: array for name, array in everything().items() if name not in marks}


def step(loss, batch, slices=1, freeze=None, **settings) -> tuple[dict, dict]:
    """Gradients of the model and the loss after one step that is not applied, and its record."""
    model = small_training.model(dtype=np.float64, **loss.suited_model())
    introduce(model, loss)
    if freeze is not None:
        model.freeze(freeze)
    owned = {f"loss.{name}": parameter for name, parameter in loss.parameters.items()}
    parameters = {**model.parameters, **owned}
    for parameter in parameters.values():
        parameter.zero_grad()
    optimizer, kept = AdamW(parameters), {}

    def keep(lr: float) -> tuple[float, float]:
        kept.update({n: p.grad.copy() for n, p in parameters.items() if p.grad is not None})
        return 0.0, 1.0

    optimizer.step = keep
    config = TrainConfig(steps=1, batch_size=8, grad_clip_norm=None, **settings)
    before = loss.state_dict()
    record = Step(model, loss, optimizer, config).run(1, [batch] * slices, 1e-3)
    loss.load_state_dict(before)  # a step puts prototypes back to length 1, which rounds them
    return kept, record


def check_same(loss, batch, sizes=(3,), **settings) -> None:
    whole, expected = step(loss, batch, **settings)
    for size in sizes:
        found, record = step(loss, batch, micro_batch=size, **settings)
        assert record.keys() == expected.keys()
        for key, value in expected.items():
            assert record[key] == pytest.approx(value, rel=FLOAT64, abs=FLOAT64), key
        assert found.keys() == whole.keys()
        for name, gradient in whole.items():
            tolerance = FLOAT64 if gradient.dtype == np.float64 else FLOAT32
            scale = max(np.abs(gradient).max(), 1e-3)
            assert np.abs(found[name] - gradient).max() <= tolerance * scale, name
        assert any(gradient.any() for gradient in found.values())


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_the_gradient_is_that_of_the_whole_batch(name, options):
    loss = make_loss(name, options)
    check_same(loss, a_batch(), sizes=(1, 3, 4) if name == "sparc" and not options else (3,))


@pytest.mark.parametrize("loss", extra_text_losses())
def test_captions_without_a_picture_are_negatives_of_the_whole_batch(loss):
    loss = make_loss(loss)
    check_same(loss, a_batch("hard_negative", "hard_negative_mask"), slices=2)


@pytest.mark.parametrize("loss", ["clip", "sparc", "filip"])
def test_duplicates_are_found_in_other_micro_batches(loss):
    loss = make_loss(loss)
    batch = a_batch("group")
    apart = step(loss, {**batch, "group": np.arange(8)}, duplicates="positive")[1]
    assert step(loss, batch, duplicates="positive")[1]["loss"] != apart["loss"]
    check_same(loss, batch, duplicates="positive")


@pytest.mark.parametrize("freeze", ["visual.", "t"])
@pytest.mark.parametrize("loss", ["clip", "sparc"])
def test_a_frozen_tower_may_stay_frozen(loss, freeze):
    loss = make_loss(loss)
    check_same(loss, a_batch(), freeze=freeze)


def test_a_frozen_tower_of_a_global_loss_runs_once(monkeypatch):
    loss = make_loss("clip")
    batch, seen = a_batch(), []
    model = type(small_training.model())
    plain = model.image_features
    monkeypatch.setattr(
        model, "image_features", lambda self, image, tape: (
            seen.append(len(image)) or plain(self, image, tape)
        ),
    )  # fmt: skip
    step(loss, batch, micro_batch=3, freeze="visual.")
    assert seen == [3, 3, 2]


def test_activations_are_those_of_a_micro_batch():
    loss = make_loss("sparc")
    batch = a_batch()
    held = {}
    for size in (None, 2):
        BUFFERS.clear()
        before = BUFFERS.size
        step(loss, batch, micro_batch=size)
        held[size] = BUFFERS.size - before
    assert held[2] < 0.5 * held[None]


def test_an_interrupted_run_ends_in_the_bits_of_a_whole_one_on_any_threads(tmp_path):
    settings = {"val_data": None, "micro_batch": 3, "steps": 4, "data": small_training.mistaken()}
    whole = small_training.trainer(**settings)
    whole.run()
    with small_training.failing_at(4, KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        small_training.trainer(tmp_path, **settings).run()
    again = small_training.trainer(tmp_path, resume="latest", **{**settings, "threads": 2})
    again.run()
    assert [record["step"] for record in small_training.read_log(tmp_path)] == [1, 2, 3, 4]
    for name, array in small_training.weights(whole).items():
        np.testing.assert_array_equal(array, small_training.weights(again)[name], err_msg=name)
    with pytest.raises(CheckpointError, match="micro_batch = 4 as in this run, found 3"):
        small_training.trainer(
            tmp_path, resume="latest", **{**settings, "steps": 5, "micro_batch": 4}
        ).run()


def test_what_is_not_finite_is_named_without_the_whole_batch():
    for name in ("visual.conv1.weight", "adapter.bias"):
        run = small_training.trainer(val_data=None, micro_batch=3)
        run.model.parameters[name].data.flat[0] = np.nan
        with pytest.raises(TrainingError, match=f"first bad tensor is {name} "):
            run.run()


def test_the_first_op_that_overflows_in_a_micro_batch_is_named():
    run = small_training.trainer(val_data=None, micro_batch=3)
    run.model.parameters["visual.adapter.weight"].data[...] = 3e38
    with pytest.raises(TrainingError, match=r"the output of linear with visual\.adapter\.weight"):
        run.run()


@pytest.mark.parametrize(
    ("size", "kind", "message"),
    [
        (9, ValueError, "micro_batch: expected at most batch_size, 8 pairs"),
        (0, ValueError, "micro_batch"),
        (2.5, TypeError, "micro_batch"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(size, kind, message):
    with pytest.raises(kind, match=message):
        TrainConfig(steps=1, batch_size=8, micro_batch=size)
