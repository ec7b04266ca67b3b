"""The loop: it learns, repeats itself, logs, stops where it must, and loses nothing."""

from __future__ import annotations

import errno
import json
import math

import numpy as np
import pytest
import small_training
from small_training import read_log
from tolerances import FLOAT32

import csparc
from csparc.data.loader import Loader
from csparc.errors import DataError, TrainingError
from csparc.losses.table import LOSSES, make_loss
from csparc.optim import AdamW
from csparc.trainer import TrainConfig, Trainer, load_checkpoint
from csparc.trainer.checkpoint import read_checkpoint
from csparc.trainer.folder import CheckpointFolder
from csparc.trainer.log import STEP_KEYS, JsonLines
from csparc.trainer.progress import duration
from csparc.trainer.step import Step, clamp_logit_scale, logit_scale


def weights(trainer) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in trainer.model.state_dict().items()}


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


def test_a_loss_that_owns_parameters_is_trained_saved_and_resumed(tmp_path, monkeypatch):
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

    run = Step.run

    def killed(self, number, *rest):
        if number == 8:
            raise KeyboardInterrupt
        return run(self, number, *rest)

    monkeypatch.setattr(Step, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        small_training.trainer(out, loss="siglip").run()
    monkeypatch.undo()
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


# Accumulation ------------------------------------------------------------------------------------


def gradients(batches: list[dict], clip: float | None = None) -> tuple[dict, dict]:
    """Gradients and log values of one step that is not applied."""
    model = small_training.model()
    optimizer = AdamW(model.parameters)
    kept = {}

    def keep(lr: float) -> tuple[float, float]:
        kept.update({name: p.grad.copy() for name, p in model.parameters.items()})
        return 0.0, 1.0

    optimizer.step = keep
    config = TrainConfig(steps=1, grad_clip_norm=clip)
    record = Step(model, make_loss("sparc"), optimizer, config).run(1, batches, 1e-3)
    return kept, record


def batches(count: int) -> list[dict]:
    trainer = small_training.trainer()
    with Loader(trainer.data, trainer.tokenizer, trainer.preprocess, 8) as loader:
        return [next(loader) for _ in range(count)]


def test_accumulation_averages_the_losses_of_the_slices():
    slices = batches(3)
    alone = [gradients([batch]) for batch in slices]
    together, record = gradients(slices)
    for name, found in together.items():
        expected = sum(grads[name].astype(np.float64) for grads, _ in alone) / 3
        scale = max(np.abs(expected).max(), 1e-6)
        assert np.abs(found - expected).max() <= FLOAT32 * scale, name
    for key in ("loss", "global_loss", "local_loss", "kept_fraction"):
        expected = np.mean([values[key] for _, values in alone])
        assert record[key] == pytest.approx(expected, rel=1e-12)


def test_accumulation_is_not_a_larger_batch():
    """Negatives come from the slice alone, which the documentation promises to say."""
    two = batches(2)
    joined = {key: np.concatenate([batch[key] for batch in two]) for key in two[0]}
    assert gradients([joined])[1]["global_loss"] > gradients(two)[1]["global_loss"]
    assert "negatives come from the slice alone" in " ".join(TrainConfig.__doc__.split())


def test_a_step_counts_all_of_its_slices():
    result = small_training.trainer(steps=3, accum_freq=2, val_data=None).run()
    assert result.counters.samples_seen == 3 * 2 * 8


# The scale ---------------------------------------------------------------------------------------


def test_the_scale_stays_within_its_limits():
    model = small_training.model()
    for stored, expected in ((9.0, 100.0), (-3.0, 1.0), (math.log(7.0), 7.0)):
        model.logit_scale.data[...] = stored
        clamp_logit_scale(model, 1.0, 100.0)
        scale = logit_scale(model, 1.0, 100.0)
        assert 1.0 <= scale <= 100.0
        assert scale == pytest.approx(expected, rel=1e-6)


def test_a_run_clamps_the_scale():
    trainer = small_training.trainer(steps=5, scale_min=14.0, scale_max=14.25, val_data=None)
    scales = [record["logit_scale"] for record in trainer.run().log]
    assert scales[0] == 14.25
    assert all(14.0 <= scale <= 14.25 for scale in scales)


def test_the_gradient_of_the_stored_scale_is_that_of_the_loss():
    """Central difference of the loss by the stored logarithm."""
    (batch,) = batches(1)
    found = gradients([batch])[0]["logit_scale"]
    model, loss, step = small_training.model(dtype=np.float64), make_loss("sparc"), 1e-4
    values = []
    for shift in (step, -step):
        model.logit_scale.data[...] = math.log(1 / 0.07) + shift
        out = model(batch["image"].astype(np.float64), batch["text"], batch["text_mask"])
        arrays = {name: getattr(out, name).data for name in loss.inputs}
        scale = math.exp(float(model.logit_scale.data[0]))
        values.append(loss(**arrays, text_mask=batch["loss_mask"], logit_scale=scale).loss)
    expected = (values[0] - values[1]) / (2 * step)
    assert float(found[0]) == pytest.approx(expected, rel=1e-3)


# What is not finite ------------------------------------------------------------------------------


def poisoned(name: str, value: float, **settings):
    trainer = small_training.trainer(val_data=None, **settings)
    trainer.model.parameters[name].data.flat[0] = value
    return trainer


@pytest.mark.parametrize(
    "name", ["visual.conv1.weight", "token_embedding.weight", "adapter.bias", "logit_scale"]
)
def test_a_weight_that_is_not_finite_is_named(name):
    with pytest.raises(TrainingError, match=f"first bad tensor is {name} "):
        poisoned(name, np.nan).run()


def test_the_first_op_that_overflows_is_named():
    """Finite weights whose product is not: the op and its weight are named."""
    trainer = small_training.trainer(val_data=None)
    trainer.model.parameters["visual.head.weight"].data[...] = 3e38
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingError, match=r"the output of linear with visual\.head\.weight"),
    ):
        trainer.run()


def test_a_gradient_that_is_not_finite_stops_before_the_update(monkeypatch):
    trainer = small_training.trainer(val_data=None)
    before = weights(trainer)
    loss = trainer.loss

    class Bad:
        inputs, config = loss.inputs, loss.config

        def __call__(self, **arguments):
            out = loss(**arguments)
            out.grads["tokens"].flat[0] = np.inf
            return out

    trainer.loss = Bad()
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="the gradient of tokens"):
        trainer.run()
    for name, array in weights(trainer).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_last_checkpoint_survives_a_bad_step(tmp_path, monkeypatch):
    out = tmp_path / "run"
    run = Step.run

    def poison(self, number, slices, lr):
        if number == 6:
            self.model.parameters["visual.conv1.weight"].data.flat[0] = np.nan
        return run(self, number, slices, lr)

    monkeypatch.setattr(Step, "run", poison)
    with pytest.raises(TrainingError, match=r"step 6: .* visual\.conv1\.weight"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 4
    small_training.trainer(out, resume="latest").run()
    assert [record["step"] for record in read_log(out)] == list(range(1, 13))


# The logs ----------------------------------------------------------------------------------------


def test_the_log_has_exactly_its_keys(tmp_path):
    small_training.trainer(tmp_path / "run").run()
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert len(lines) == small_training.SETTINGS["steps"]
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert tuple(record) == (
            "step", "loss", "global_loss", "local_loss", "prototype_loss", "logit_scale", "lr",
            "grad_norm", "param_norm", "update_norm", "kept_fraction", "pairs_per_second",
        )  # fmt: skip
        assert tuple(record) == STEP_KEYS
        assert record["step"] == number
        assert all(math.isfinite(value) for value in record.values())


def test_validation_is_logged_where_it_is_due(tmp_path):
    result = small_training.trainer(tmp_path / "run").run()
    records = read_log(tmp_path / "run", "validation.jsonl")
    assert [record["step"] for record in records] == [5, 10, 12]
    best = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.safetensors")[2].counters
    scores = {r["step"]: (r["image_to_text_R@1"] + r["text_to_image_R@1"]) / 2 for r in records}
    assert best.best_score == max(scores.values())
    assert best.step == best.best_step == min(s for s in scores if scores[s] == best.best_score)
    assert result.validation["n_images"] == 8


def test_a_log_is_cut_back_to_whole_lines(tmp_path):
    log = JsonLines(tmp_path / "a.jsonl")
    for step in range(1, 6):
        log.append({"step": step})
    with open(log.path, "ab") as file:
        file.write(b'{"step": 6')
    log.cut_back(9)
    assert log.path.read_text().count("\n") == 5
    log.cut_back(3)
    log.append({"step": 4, "again": True})
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 2, 3, 4]
    log.close()


def test_a_log_refuses_other_keys_and_nan(tmp_path):
    log = JsonLines(tmp_path / "a.jsonl", ("step", "loss"))
    with pytest.raises(KeyError, match="expected the keys step, loss"):
        log.append({"step": 1})
    with pytest.raises(ValueError, match="JSON"):
        log.append({"step": 1, "loss": math.nan})
    assert not log.path.exists() or not log.path.read_text()
    log.close()


# The disk ----------------------------------------------------------------------------------------


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_on_a_full_disk_saves_the_step_first(tmp_path, monkeypatch):
    out, append = tmp_path / "run", JsonLines.append

    def fail_at_7(self, record):
        if record.get("step") == 7 and "loss" in record:
            full()
        append(self, record)

    monkeypatch.setattr(JsonLines, "append", fail_at_7)
    with pytest.raises(TrainingError, match=r"No space left .* step 7 is whole.*resume='latest'"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 7


def test_a_checkpoint_on_a_full_disk_leaves_the_last_good_one(tmp_path, monkeypatch):
    out, save = tmp_path / "run", CheckpointFolder.save_last

    def fail_at_8(self, write):
        folder_steps.append(1)
        if len(folder_steps) == 4:
            full()
        save(self, write)

    folder_steps = []
    monkeypatch.setattr(CheckpointFolder, "save_last", fail_at_8)
    with pytest.raises(TrainingError, match="checkpoint of step 6 is whole"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 6
    small_training.trainer(out, resume="latest").run()
    small_training.trainer(tmp_path / "whole").run()
    assert (out / "checkpoints" / "last.safetensors").read_bytes() == (
        tmp_path / "whole" / "checkpoints" / "last.safetensors"
    ).read_bytes()
    assert read_log(out) == read_log(tmp_path / "whole")


def test_a_best_checkpoint_on_a_full_disk_is_made_up_for(tmp_path, monkeypatch):
    """The step is saved as not validated, so that the resumed run validates it."""
    out = tmp_path / "run"
    monkeypatch.setattr(CheckpointFolder, "save_best", full)
    with pytest.raises(TrainingError, match="checkpoint of step 5 is whole"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    small_training.trainer(out, resume="latest").run()
    assert [r["step"] for r in read_log(out, "validation.jsonl")] == [5, 10, 12]


def test_no_room_at_the_start_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "keep_room", full)
    with pytest.raises(TrainingError, match=r"expected room for checkpoints of .* MB"):
        small_training.trainer(tmp_path / "run").run()
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_resumed_run_knows_what_was_saved_before_it(tmp_path, monkeypatch):
    out = tmp_path / "run"
    small_training.trainer(out, steps=4).run()
    monkeypatch.setattr(CheckpointFolder, "save_last", full)
    with pytest.raises(TrainingError, match="checkpoint of step 4 is whole"):
        small_training.trainer(out, steps=6, resume="latest").run()


def test_a_disk_full_after_a_save_stops_with_that_save(tmp_path, monkeypatch):
    """Going on would lose the steps up to a save that has no room."""
    keep_room, calls = CheckpointFolder.keep_room, []

    def fail_second(self):
        calls.append(1)
        if len(calls) == 2:
            full()
        keep_room(self)

    monkeypatch.setattr(CheckpointFolder, "keep_room", fail_second)
    with pytest.raises(TrainingError, match="checkpoint of step 2 is whole"):
        small_training.trainer(tmp_path / "run").run()
    assert len(read_log(tmp_path / "run")) == 2


def test_an_out_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="expected a folder to write the run to"):
        small_training.trainer(tmp_path / "file" / "run").run()


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected one of steps and epochs, found neither"),
        ({"steps": 1, "epochs": 1}, "found both"),
        ({"steps": 0}, "steps: expected at least 1, found 0"),
        ({"steps": 1.5}, "steps: expected a whole number, found 1.5"),
        ({"steps": True}, "steps: expected a whole number, found True"),
        ({"steps": 1, "batch_size": 0}, "batch_size: expected at least 1"),
        ({"steps": 1, "lr": -1e-3}, "lr: expected at least 0, found -0.001"),
        ({"steps": 1, "lr": math.nan}, "lr: expected at least 0, found nan"),
        ({"steps": 1, "beta2": 1.0}, "beta2: expected at least 0 and less than 1"),
        ({"steps": 1, "eps": 0.0}, "eps: expected more than 0"),
        ({"steps": 1, "grad_clip_norm": 0}, "grad_clip_norm: expected more than 0"),
        ({"steps": 1, "scale_min": 5, "scale_max": 2}, "scale_max: expected at least 5"),
        ({"steps": 1, "progress": "loud"}, "progress: expected one of auto, bar"),
        ({"steps": 1, "duplicates": "no"}, "duplicates: expected one of allow, avoid"),
        ({"steps": 1, "resume": "latest"}, "resume: expected out"),
        ({"steps": 1, "out": 3}, "out: expected a path, found 3"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TrainConfig(**settings)


def test_epochs_count_whole_batches():
    assert TrainConfig(epochs=3, batch_size=8).total_steps(43) == 15
    assert TrainConfig(epochs=3, batch_size=8, accum_freq=2).total_steps(43) == 7
    assert TrainConfig(epochs=1, batch_size=8, accum_freq=9).total_steps(43) == 1
    with pytest.raises(ValueError, match="batch_size: expected at most the 7 pictures"):
        TrainConfig(epochs=1, batch_size=8).total_steps(7)


def test_warmup_defaults_to_a_tenth():
    assert TrainConfig(steps=1).warmup_steps(1000) == 100
    assert TrainConfig(steps=1).warmup_steps(10**6) == 2500
    assert TrainConfig(steps=1, warmup=7).warmup_steps(1000) == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["sgima=1"], "expected key=value with one of .*sigma.*, found 'sgima=1'"),
        (["sigma"], "expected key=value"),
        (["sigma=wide"], "loss-opt sigma: expected none or float, found 'wide'"),
        (["detach_weights=maybe"], "loss-opt detach_weights: expected bool"),
        (["normalizer=max"], "normalizer"),
    ],
)
def test_loss_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_loss("sparc", settings)


def test_loss_settings_have_the_declared_types():
    loss = make_loss("sparc", ["sigma=0.25", "detach_weights=true", "normalizer=minmax"])
    found = loss.config()
    assert (found["sigma"], found["detach_weights"], found["normalizer"]) == (0.25, True, "minmax")
    assert make_loss("sparc", ["sigma=none"]).config()["sigma"] is None
    with pytest.raises(ValueError, match=r"loss: expected one of sparc, clip, .* found 'spark'"):
        make_loss("spark")


def test_every_loss_is_recorded_under_its_own_name():
    for name in LOSSES:
        assert make_loss(name).config()["loss"] == name


# Data and progress -------------------------------------------------------------------------------


class SomeBad(small_training.Scenes):
    """Scenes of which number 3 cannot be decoded."""

    bad = (3,)

    def load(self, index: int) -> np.ndarray:
        if index in self.bad:
            raise csparc.data.BadItem(self.name(index), "torn in half")
        return super().load(index)


def test_a_bad_picture_is_named_once_and_counted(capsys):
    data = SomeBad(tier="S", size=40)
    small_training.trainer(data=data, steps=12, progress="lines", val_data=None).run()
    said = capsys.readouterr().err
    assert said.count("skipped train/3: torn in half") == 1
    assert "1 bad item skipped" in said


def test_too_many_bad_pictures_stop_training():
    data = SomeBad(tier="S", size=40)
    data.bad = range(10)
    with pytest.raises(DataError, match="items are bad"):
        small_training.trainer(data=data, steps=12, val_data=None).run()


def test_lines_show_loss_speed_and_time_left(capsys):
    small_training.trainer(steps=3, progress="lines", val_data=None).run()
    said = capsys.readouterr().err
    assert "step 3/3  loss " in said
    assert " pairs/s  0:00 left" in said


def test_the_bar_shows_loss_and_speed(capsys):
    small_training.trainer(steps=3, progress="bar", val_data=None).run()
    said = capsys.readouterr().err
    assert "3/3" in said
    assert "pairs/s" in said
    assert "loss " in said


def test_durations():
    assert [duration(s) for s in (0, 61, 3600)] == ["0:00", "1:01", "1:00:00"]
