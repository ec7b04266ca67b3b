"""Losses that contrast words, trained: what the log holds, what a run learns, the command line."""

from __future__ import annotations

import numpy as np
import pytest
import small_training
from PIL import Image

from csparc.cli import main as cli
from csparc.losses import make_loss


def words_trainer(out=None, *options: str, **settings):
    return small_training.trainer(out, make_loss("clip+words", options), **settings)


def test_words_reach_the_loss_and_move_its_scale(tmp_path):
    run = words_trainer(tmp_path / "run", "negatives=3", duplicates="exclude")
    run.run()
    log = small_training.read_log(tmp_path / "run")
    assert all(record["words_loss"] > 0 for record in log)
    for record in log:
        total = 0.5 * record["global_loss"] + record["words_loss"]
        assert record["loss"] == pytest.approx(total, rel=1e-6)
    learned = run.loss.value("word_logit_scale")
    assert learned != pytest.approx(1 / 0.07, rel=1e-6)


def test_a_part_of_weight_0_leaves_the_run_of_the_others():
    with_words = words_trainer(None, "words_weight=0")
    with_words.run()
    halved = small_training.trainer(None, make_loss("clip+words", ["words_weight=0", "pool=max"]))
    halved.run()
    for name, array in small_training.weights(with_words).items():
        np.testing.assert_array_equal(array, small_training.weights(halved)[name], err_msg=name)


def test_others_are_not_told_words(monkeypatch):
    monkeypatch.setattr("csparc.data.loading.words.BatchWords.__call__", None)
    small_training.trainer(loss="filip", steps=1, val_data=None).run()
    with pytest.raises(TypeError):
        words_trainer(steps=1, val_data=None).run()


def test_the_command_line_trains_evaluates_and_draws(tmp_path, capsys):
    run, picture = str(tmp_path / "run"), tmp_path / "picture.png"
    command = ["train", "--model", "nano-local", "--loss", "clip+words", "--steps", "2"]
    command += ["--loss-opt", "pool_scale=4", "--batch-size", "4", "--vocab-size", "300"]
    scenes = "scenes:tier=S;size=12"
    assert cli.main([*command, "--train-data", scenes, "--out", run]) == 0
    assert "words_loss" in (tmp_path / "run" / "log.jsonl").read_text()
    held_out = ["--checkpoint", run, "--data", f"{scenes};split=test"]
    for score in ("global", "own"):
        assert cli.main(["eval", "retrieval", *held_out, "--score", score]) == 0
    assert cli.main(["eval", "grounding", *held_out]) == 0
    assert "Word contrast" in capsys.readouterr().out
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(picture)
    drawn = ["--image", str(picture), "--caption", "a red square", "--out", str(tmp_path / "a.png")]
    assert cli.main(["align", "--checkpoint", run, *drawn]) == 0
    assert (tmp_path / "a.png").exists()
    assert cli.main(["cost", "--loss", "clip+words", "--model", "nano-local", "--batch", "8"]) == 0
