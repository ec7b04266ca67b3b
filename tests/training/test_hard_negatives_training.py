"""Hard negatives in training: what the step computes, the log, resuming, refusals, the command."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import small_training
from pictures import save
from small_training import mistaken

import csparc
from csparc.cli import main as cli
from csparc.losses import make_loss
from csparc.losses.registry import extra_text_losses
from csparc.trainer.senseless import nothing_to_learn
from csparc.trainer.step import Step


def trained(out=None, loss="clip", **settings):
    run = small_training.trainer(out, loss, data=mistaken(), val_data=None, **settings)
    run.run()
    return run


@pytest.mark.parametrize("loss", extra_text_losses())
def test_every_loss_that_takes_them_trains_with_them(loss, tmp_path):
    trained(tmp_path / "run", loss, steps=2)
    log = small_training.read_log(tmp_path / "run")
    assert [list(record)[-1] for record in log] == ["hard_negatives"] * 2
    assert all(0 < record["hard_negatives"] < 8 for record in log)


def test_the_step_is_that_of_the_loss(monkeypatch):
    """Gradients of one step against the loss called on the towers' own outputs."""
    run = small_training.trainer(None, "clip", data=mistaken(), val_data=None, steps=1)
    with run._loader(None, None) as loader:
        batch = next(loader)
    model, given = run.model, {}
    monkeypatch.setattr(run.loss.__class__, "_compute", lambda self, **call: (
        given.update(call) or csparc.clip_loss(**call)
    ))  # fmt: skip
    step = Step(model, run.loss, run._state.optimizer, run.config)
    record = step.run(1, [batch], 0.0)
    assert record["hard_negatives"] == len(batch["hard_negative"]) > 0
    vectors = model.encode_text(batch["hard_negative"])
    np.testing.assert_allclose(given["extra_text_global"], vectors, rtol=1e-5, atol=1e-6)
    scale = run.model.logit_scale.data
    images, texts = model.encode_image(batch["image"]), model.encode_text(batch["text"])
    alone = csparc.clip_loss(images, texts, logit_scale=float(np.exp(scale[0])))
    assert record["loss"] > alone.loss


def test_extra_texts_reach_the_weights_of_the_text_tower():
    plain = small_training.trainer(None, "clip", val_data=None, steps=3)
    plain.run()
    found = small_training.weights(trained(steps=3))
    changed = [n for n, w in small_training.weights(plain).items() if (w != found[n]).any()]
    assert "token_embedding.weight" in changed


def test_an_interrupted_run_ends_in_the_same_bits(tmp_path):
    whole = trained(tmp_path / "whole", "clip+filip", accum_freq=2, duplicates="positive")
    settings = {"accum_freq": 2, "duplicates": "positive"}
    with small_training.failing_at(7), pytest.raises(MemoryError):
        trained(tmp_path / "cut", "clip+filip", **settings)
    again = trained(tmp_path / "cut", "clip+filip", resume="latest", **settings)
    for name, array in small_training.weights(whole).items():
        np.testing.assert_array_equal(array, small_training.weights(again)[name], err_msg=name)
    log = small_training.read_log(tmp_path / "cut")
    assert log == small_training.read_log(tmp_path / "whole")
    assert log[0]["hard_negatives"] > 8


def test_a_batch_of_one_pair_learns_from_them():
    config = small_training.trainer(None, "clip", batch_size=1).config
    assert nothing_to_learn(config, make_loss("clip"), 12)
    assert nothing_to_learn(config, make_loss("clip"), 12, extra_texts=True) is None


@pytest.fixture
def table(tmp_path: Path) -> str:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filepath", "title", "hard_negative", "wrong"])
        for number in range(12):
            save(tmp_path / f"{number}.png", number)
            said = f"a picture of {number}"
            writer.writerow([f"{number}.png", said, f"{said} dogs" if number % 2 else "", "no"])
    return f"csv:{tmp_path / 'list.csv'}"


def train(table: str, out: Path, *more: str) -> int:
    command = ["train", "--train-data", table, "--out", str(out), "--batch-size", "6"]
    return cli.main([*command, "--steps", "2", "--vocab-size", "300", *more])


def test_the_command_line(table, tmp_path, capsys):
    assert train(table, tmp_path / "a", "--loss", "siglip", "--val-data", table) == 0
    assert all(r["hard_negatives"] > 0 for r in small_training.read_log(tmp_path / "a"))
    named = ["--csv-hard-negative-key", "wrong", "--val-data", table]
    assert train(table, tmp_path / "b", "--loss", "sparc", *named) == 0
    assert all(r["hard_negatives"] == 6 for r in small_training.read_log(tmp_path / "b"))
    assert train(table, tmp_path / "c", "--loss", "pacl") == 2
    said = capsys.readouterr().err
    assert "data: expected no hard negatives with pacl" in said
    assert "clip, clip+filip" in said
    assert not (tmp_path / "c").exists()
    unread = ["--loss", "pacl", "--csv-hard-negative-key", "none"]
    assert train(table, tmp_path / "c", *unread) == 0
    assert "hard_negatives" not in small_training.read_log(tmp_path / "c")[0]


def test_other_hard_negatives_are_other_data(table, tmp_path, capsys):
    assert train(table, tmp_path / "run", "--loss", "clip") == 0
    path = tmp_path / "list.csv"
    path.write_text(path.read_text().replace("dogs", "cats"))
    assert train(table, tmp_path / "run", "--loss", "clip", "--resume", "latest") == 2
    assert "with other names or captions" in capsys.readouterr().err
