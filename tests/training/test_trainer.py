"""The loop: it learns, repeats itself, and trains and keeps all that a loss owns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import small_training
from small_training import read_log, weights

from csparc.checkpoint.checkpoint import read_checkpoint
from csparc.losses.registry import LOSSES, make_loss
from csparc.trainer import Trainer


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_falls(loss):
    trainer = small_training.trainer(loss=loss, steps=60, val_data=None)
    log = trainer.run().log
    losses = [record["loss"] for record in log]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])


def test_everything_a_loss_owns_is_trained_and_comes_back(tmp_path):
    """MGCA's arrays exist only once the model's width is known."""
    trainer = small_training.trainer(tmp_path / "run", loss="mgca", steps=4, val_data=None)
    before = {name: p.data.copy() for name, p in trainer.loss.parameters.items()}
    assert {"prototypes", "word_attention.query", "patch_attention.out"} <= set(before)
    trainer.run()
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert set(saved.loss) == set(before)
    for name, parameter in trainer.loss.parameters.items():
        assert not np.array_equal(parameter.data, before[name]), f"{name} was not trained"
        np.testing.assert_array_equal(saved.loss[name], parameter.data)
    parts = ("global_loss", "local_loss", "prototype_loss")
    for record in read_log(tmp_path / "run"):
        assert all(record[part] > 0 for part in parts)
        assert record["loss"] == pytest.approx(sum(record[part] for part in parts), rel=1e-12)


def test_sparc_may_learn_a_local_scale_of_its_own(tmp_path):
    options = ["local_logit_scale=8", "learn_local_logit_scale=true"]
    trainer = small_training.trainer(tmp_path, loss=make_loss("sparc", options), steps=4)
    assert trainer.loss.value("local_logit_scale") == pytest.approx(8, rel=1e-6)
    trainer.run()
    learned = trainer.loss.value("local_logit_scale")
    assert abs(learned - 8) > 1e-4
    saved = read_checkpoint(tmp_path / "checkpoints" / "last.safetensors")
    assert math.exp(saved.loss["local_logit_scale"][0]) == pytest.approx(learned, rel=1e-6)
    assert not make_loss("sparc", options[:1]).parameters
    with pytest.raises(ValueError, match="expected a number for local_logit_scale beside it"):
        make_loss("sparc", options[1:])


def test_a_loss_without_global_vectors_has_a_model_whose_every_layer_it_trains():
    for loss, trained in (("filip", "mean"), ("pacl", "mean"), ("sparc", "text")):
        assert small_training.trainer(loss=loss).model.config.global_pool == trained
    data, tokenizer = small_training.scenes(), small_training.tokenizer()
    with pytest.warns(UserWarning, match="reads no image_global.*global_pool='mean'"):
        Trainer(small_training.model(), "pacl", data, tokenizer=tokenizer, batch_size=8, steps=1)


def test_a_loss_that_owns_parameters_is_trained_saved_and_resumed(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    trainer = small_training.trainer(whole, loss="siglip")
    scale = float(trainer.model.logit_scale.data[0])
    assert scale == pytest.approx(math.log(trainer.loss.initial_logit_scale), rel=1e-6)
    trainer.run()
    path = whole / "checkpoints" / "last.safetensors"
    saved = read_checkpoint(path)
    bias = trainer.loss.parameters["logit_bias"].data
    assert float(bias[0]) != -10.0
    np.testing.assert_array_equal(saved.loss["logit_bias"], bias)
    assert np.any(saved.first_moment["loss.logit_bias"])
    with small_training.failing_at(8, KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        small_training.trainer(out, loss="siglip").run()
    small_training.trainer(out, loss="siglip", resume="latest").run()
    assert (out / "checkpoints" / "last.safetensors").read_bytes() == path.read_bytes()


def test_ten_steps_are_the_same_twice_and_with_two_threads():
    runs = []
    for threads in (1, 1, 2):
        trainer = small_training.trainer(steps=10, threads=threads, val_data=None)
        trainer.run()
        runs.append(weights(trainer))
    for other in runs[1:]:
        for name, array in runs[0].items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_another_seed_is_another_run():
    runs = [small_training.trainer(steps=2, seed=seed, val_data=None) for seed in (0, 1)]
    for trainer in runs:
        trainer.run()
    first, second = (weights(trainer) for trainer in runs)
    assert any(np.any(first[name] != second[name]) for name in first)
