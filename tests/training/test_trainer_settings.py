"""Settings of a run and of its loss: what is refused, and what stands where nothing is said."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import numpy as np
import pytest

from csparc.checkpoint.checkpoint import read_checkpoint
from csparc.cli.main import build_parser, main
from csparc.losses.registry import LOSSES, make_loss
from csparc.trainer import TrainConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected one of steps and epochs, found neither"),
        ({"steps": 1, "epochs": 1}, "found both"),
        ({"steps": 0}, "steps: expected a whole number of at least 1, found 0"),
        ({"steps": 1.5}, "steps: expected a whole number of at least 1, found 1.5"),
        ({"steps": True}, "steps: expected a whole number of at least 1, found True"),
        ({"steps": 1, "batch_size": 0}, "batch_size: expected a whole number of at least 1"),
        ({"steps": 1, "lr": -1e-3}, "lr: expected a finite number of at least 0, found -0.001"),
        ({"steps": 1, "lr": math.nan}, "lr: expected a finite number of at least 0, found nan"),
        ({"steps": 1, "beta2": 1.0}, "beta2: expected a finite number of at least 0 and below 1"),
        ({"steps": 1, "eps": 0.0}, "eps: expected a finite number above 0"),
        ({"steps": 1, "grad_clip_norm": 0}, "grad_clip_norm: expected a finite number above 0"),
        (
            {"steps": 1, "scale_min": 5, "scale_max": 2},
            "scale_max: expected a finite number of at least 5",
        ),
        (
            {"steps": 1, "progress": "loud"},
            "progress: expected 'auto', 'bar', 'lines' or 'none', found 'loud'",
        ),
        (
            {"steps": 1, "duplicates": "no"},
            "duplicates: expected 'allow', 'avoid', 'exclude' or 'positive'",
        ),
        ({"steps": 1, "resume": "latest"}, "resume: expected out"),
        ({"steps": 1, "out": 3}, "out: expected a path, found 3"),
        ({"steps": 1, "cache": ""}, "cache: expected a path, found an empty text"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TrainConfig(**settings)


def test_numbers_of_numpy_are_taken_as_json_holds_them():
    config = TrainConfig(steps=np.int64(3), lr=np.float32(0.5), overwrite=np.bool_(True))
    assert json.loads(json.dumps([config.steps, config.lr, config.overwrite])) == [3, 0.5, True]


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


def test_every_setting_is_a_flag_and_no_flag_has_a_default_of_its_own():
    line = "train --train-data x --out run --steps 3"
    given = build_parser().parse_args(line.split())
    names = {field.name for field in fields(TrainConfig)}
    flags = {name: value for name, value in vars(given).items() if name in names}
    assert set(flags) == names
    said = {"out": "run", "steps": 3, "overwrite": False}
    assert {name: value for name, value in flags.items() if value is not None} == said


def test_the_largest_scale_of_the_command_line_reaches_the_loss(tmp_path):
    line = "train --train-data scenes:tier=S;size=16 --steps 2 --batch-size 8 --vocab-size 300"
    more = "--loss gloria --scale-max 5 --scale-min 2 --progress none --lr 0.5 --warmup 0"
    out = tmp_path / "run"
    assert main([*line.split(), *more.split(), "--out", str(out)]) == 0
    saved = read_checkpoint(out / "checkpoints" / "last.safetensors")
    assert saved.metadata.train_config["scale_max"] == 5
    assert saved.loss
    for name, stored in saved.loss.items():
        assert stored <= np.float32(np.log(5)), name
    assert 2 * (1 - 1e-6) <= np.exp(saved.model["logit_scale"]) <= 5 * (1 + 1e-6)
