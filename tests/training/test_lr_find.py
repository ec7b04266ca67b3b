"""A learning rate is looked for without leaving a trace, and found where the loss falls."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_training import trainer, weights

from csparc.cli import main as cli
from csparc.losses import SiglipLoss
from csparc.trainer import lr_find
from csparc.viz.lr_curve import plot_learning_rates


def judged(losses, steps=None):
    steps = steps or len(losses)
    return lr_find.judged(np.geomspace(1e-6, 1, steps)[: len(losses)].tolist(), losses, steps, "x")


def test_a_valley_is_suggested_a_tenth_before_its_floor():
    lrs = np.geomspace(1e-6, 1, 200)
    valley = (1 + 0.2 * (np.log10(lrs) + 2) ** 2).tolist()
    assert 1e-3 <= judged(valley).suggestion <= 3e-3


@pytest.mark.parametrize("losses", [[1.0] * 30, np.linspace(1, 2, 30).tolist(), [1.0]])
def test_nothing_is_suggested_where_nothing_falls(losses):
    assert judged(losses).suggestion is None


def test_a_loss_that_grew_ends_the_trial():
    assert lr_find.grown([1.0] * 10 + [9.0] * 40, 100)
    assert not lr_find.grown([1.0] * 10 + [3.0] * 40, 100)
    assert not lr_find.grown([-1.0] * 10 + [3.0] * 40, 100)


def test_a_run_after_it_has_the_bits_of_one_without(tmp_path):
    searched, plain = (trainer(tmp_path / name, SiglipLoss(), steps=4) for name in "ab")
    before = weights(searched)
    found = searched.find_lr(steps=12, lr_min=1e-4, lr_max=3.0)
    assert found.lr[0] == pytest.approx(1e-4)
    assert found.lr == sorted(found.lr)
    assert len(found.lr) == len(found.loss) == len(found.smoothed)
    assert not (tmp_path / "a").exists()
    for name, array in weights(searched).items():
        np.testing.assert_array_equal(array, before[name])
    searched.run()
    plain.run()
    first, second = (
        (tmp_path / name / "checkpoints" / "last.safetensors").read_bytes() for name in "ab"
    )
    assert first == second


def test_a_rate_that_breaks_numbers_ends_the_trial_and_leaves_the_weights():
    run = trainer(None)
    before = weights(run)
    found = run.find_lr(steps=6, lr_min=1e-3, lr_max=1e38)
    assert found.ended == "a step replaces the weights"
    assert len(found.lr) < 6
    assert all((array == before[name]).all() for name, array in weights(run).items())


def test_rates_that_no_weight_outlives_are_not_suggested():
    found = trainer(None).find_lr(steps=60, lr_min=1e-6, lr_max=1e30)
    assert found.ended == "a step replaces the weights"
    assert found.lr[-1] < 1
    assert found.suggestion is None or found.suggestion < 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 1}, "steps: expected a whole number of at least 2"),
        ({"lr_min": 0}, "lr_min: expected a finite number above 0"),
        ({"lr_min": 1, "lr_max": 0.5}, "lr_max: expected a finite number above 1"),
    ],
)
def test_ranges_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        trainer(None).find_lr(**settings)


def test_the_command_takes_what_train_takes(tmp_path, capsys):
    out = tmp_path / "run"
    line = ["--train-data", "scenes:tier=S;size=24", "--batch-size", "8", "--progress", "none",
            "--vocab-size", "300", "--out", str(out)]  # fmt: skip
    assert cli.main(["lr-find", *line, "--find-steps", "8", "--lr-max", "0.05"]) == 0
    printed = capsys.readouterr().out
    assert "8 steps, from 1e-07 to 0.05" in printed
    assert {path.name for path in out.iterdir()} == {"lr_find.json", "lr_find.png"}
    record = json.loads((out / "lr_find.json").read_text())
    assert len(record["loss"]) == 8
    assert (out / "lr_find.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["train", *line, "--steps", "1"]) == 0
    assert cli.main(["lr-find", *line, "--find-steps", "8"]) == 2
    assert "out: expected a folder without a run for the trial, found" in capsys.readouterr().err


def test_a_trial_of_one_step_is_refused_by_the_name_of_its_flag(capsys):
    with pytest.raises(SystemExit):
        cli.main(["lr-find", "--train-data", "scenes:", "--out", "o", "--find-steps", "1"])
    assert "--find-steps: expected a whole number of at least 2, found 1" in capsys.readouterr().err


def test_the_plot_marks_the_suggestion():
    figure = plot_learning_rates(judged(np.linspace(2, 1, 50).tolist()), theme="dark")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["loss", "smoothed", "suggestion: 0.1"]
