"""Locked towers, layer-wise learning rates, averages of weights and an early stop, in runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_training
from small_training import read_log, scenes, trainer, weights

import csparc
from csparc.checkpoint.checkpoint import read_checkpoint
from csparc.checkpoint.folder import CheckpointFolder
from csparc.errors import CheckpointError
from csparc.evaluate import Retrieval, Subject
from csparc.models.groups import depths, tower_groups
from csparc.nn import Parameter
from csparc.optim import AdamW
from csparc.trainer import TrainConfig
from csparc.trainer.averages import Averages

LOCKED = {"lock_image": True, "lock_text": True, "lock_text_unlocked_layers": 2}


def last(out):
    return read_checkpoint(CheckpointFolder(out / "checkpoints").last)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lock_image_unlocked_groups": 1}, "lock_image_unlocked_groups: expected lock_image=True"),
        ({"lock_text_unlocked_layers": 2}, "lock_text_unlocked_layers: expected lock_text=True"),
        ({"lock_text": True, "lock_text_unlocked_layers": -1}, "a whole number of at least 0"),
        ({"layer_decay": 0}, "layer_decay: expected a finite number of at most 1 and above 0"),
        ({"layer_decay": 1.5}, "layer_decay: expected a finite number"),
        ({"ema": 1.0}, "ema: expected a finite number of at least 0 and below 1"),
        ({"early_stop": 0}, "early_stop: expected a whole number of at least 1"),
        ({"early_stop": 1, "val_frequency": 0}, "early_stop: expected val_frequency of at least 1"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(steps=1, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"lock_image": True, "lock_image_unlocked_groups": 101},
            r"expected at most 3, .* image tower with 1 blocks, found 101 "
            r"\(--unlock-image-blocks 100\)",
        ),
        (
            {"lock_text": True, "lock_text_unlocked_layers": 4},
            "lock_text_unlocked_layers: expected",
        ),
    ],
)
def test_more_groups_than_there_are_cannot_be_unlocked(settings, message):
    with pytest.raises(ValueError, match=message):
        trainer(steps=1, **settings)
    trainer(steps=1, **{name: min(value, 3) for name, value in settings.items()})


def test_settings_are_recorded_where_they_are_given():
    assert "ema" not in TrainConfig(steps=1).decisive()
    assert TrainConfig(steps=1, ema=0.9).decisive()["ema"] == 0.9
    assert "early_stop" not in TrainConfig(steps=1, early_stop=2).decisive()


def test_locked_parts_keep_their_bits_and_have_no_state(tmp_path):
    run = trainer(tmp_path / "run", steps=2, **LOCKED)
    before = weights(run)
    run.run()
    names = run.model.parameters
    learns = {"logit_scale", *(n for group in tower_groups(names, "text")[-2:] for n in group)}
    changed = {name for name, array in weights(run).items() if (array != before[name]).any()}
    assert changed == learns
    assert {n for n in last(tmp_path / "run").first_moment if not n.startswith("loss.")} == learns


def test_with_both_towers_locked_the_scales_learn_and_a_warning_says_so():
    run = trainer(None, steps=2, lock_image=True, lock_text=True)
    before = weights(run)
    with pytest.warns(UserWarning, match="only the scales are trained"):
        run.run()
    changed = [name for name, array in weights(run).items() if (array != before[name]).any()]
    assert changed == ["logit_scale"]


def test_a_first_step_is_as_long_as_its_layer_decays():
    """AdamW's first step is lr wherever there is a gradient, but for its eps."""
    run = trainer(None, "clip", steps=1, warmup=0, wd=0.0, eps=1e-30, layer_decay=0.5)
    before = weights(run)
    run.run()
    for name, depth in depths(run.model.parameters).items():
        step = np.abs(run.model.parameters[name].data - before[name]).max()
        assert step == pytest.approx(small_training.SETTINGS["lr"] * 0.5**depth, rel=2e-2), name


def test_factors_of_the_learning_rate_are_numbers():
    with pytest.raises(
        ValueError, match=r"lr_factors\['a'\]: expected a finite number of at least"
    ):
        AdamW({}, lr_factors={"a": -1})


def test_averages_are_their_equation():
    parameter = Parameter((70_000,), np.dtype(np.float32))
    averages, expected = Averages({"a": parameter}, 0.4), np.zeros(70_000)
    rng = np.random.default_rng(0)
    for step in range(1, 12):
        parameter.data[...] = rng.normal(size=70_000)
        averages.update(step)
        keep = min(0.4, (step - 1) / (step + 9))
        expected = keep * expected + (1 - keep) * parameter.data
    np.testing.assert_allclose(averages.arrays["a"], expected, atol=1e-6)
    with averages.in_place():
        np.testing.assert_allclose(parameter.data, expected, atol=1e-6)
    assert (parameter.data != averages.arrays["a"]).any()
    averages.settle()
    np.testing.assert_array_equal(parameter.data, averages.arrays["a"])


def test_averages_are_validated_saved_and_loaded(tmp_path):
    run = trainer(tmp_path / "run", "sparc", steps=6, val_frequency=6, ema=0.9, **LOCKED)
    run.run()
    saved, trained = last(tmp_path / "run"), weights(run)
    assert set(saved.averages) == set(saved.first_moment)
    assert all((trained[name] == array).all() for name, array in saved.model.items())
    found = csparc.load_checkpoint(tmp_path / "run")
    run.use_averages()
    for name, array in weights(run).items():
        assert (found.model.parameters[name].data == array).all()
        assert (array != trained[name]).any() == (name in saved.averages)
    subject = Subject(found.model, found.tokenizer, found.preprocess, scenes(8, "val"))
    logged = read_log(tmp_path / "run", "validation.jsonl")[0]
    assert Retrieval().run(subject).figures == {k: logged[k] for k in logged if k != "step"}


def test_a_checkpoint_lacks_no_average(tmp_path):
    run = trainer(tmp_path / "run", steps=2, ema=0.9)
    run.run()
    saved = last(tmp_path / "run")
    one = dict(saved.averages)
    one.pop("logit_scale")
    path = tmp_path / "broken.safetensors"
    with open(path, "wb") as file:
        csparc.checkpoint.checkpoint.Checkpoint(
            saved.metadata, saved.model, saved.loss, saved.first_moment, saved.second_moment, one
        ).write(file)
    with pytest.raises(CheckpointError, match="expected an average of every parameter that is tr"):
        csparc.load_checkpoint(path)
    with pytest.raises(CheckpointError, match="expected train_config ema = None as in this run"):
        trainer(tmp_path / "run", resume="latest", steps=4).run()


def test_a_run_ends_when_it_does_not_get_better(tmp_path):
    """With a learning rate of next to nothing no validation beats the first; resumed, the run stays
    ended, and with more patience it goes on."""
    settings = {"lr": 1e-12, "val_frequency": 2, "save_frequency": 3}
    out, patient = tmp_path / "run", tmp_path / "patient"
    result = trainer(out, early_stop=2, **settings).run()
    assert (result.stopped_early, result.counters.step, result.counters.best_step) == (True, 6, 2)
    assert [record["step"] for record in read_log(out, "validation.jsonl")] == [2, 4, 6]
    again = trainer(out, early_stop=2, resume="latest", **settings).run()
    assert (again.stopped_early, again.counters.step) == (True, 6)
    longer = trainer(out, early_stop=9, resume="latest", **settings).run()
    assert (longer.stopped_early, longer.counters.step) == (False, 12)
    trainer(patient, early_stop=9, **settings).run()
    same = [CheckpointFolder(f / "checkpoints").last.read_bytes() for f in (out, patient)]
    assert same[0] == same[1]
    with pytest.raises(ValueError, match="early_stop: expected val_data"):
        trainer(None, early_stop=1, val_data=None)


def test_the_file_of_a_run_without_these_is_what_it_was(tmp_path):
    trainer(tmp_path / "run", steps=1).run()
    saved = last(tmp_path / "run")
    assert not saved.averages
    new = {"lock_image", "lock_text", "layer_decay", "ema", "early_stop"}
    assert not new & set(json.loads(json.dumps(saved.metadata.train_config)))
