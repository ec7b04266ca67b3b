"""Training on batches with equal captions: what the loss is told, and runs that are resumed."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import small_training
from small_training import read_log
from test_resume import same_run

import csparc
from csparc._progress import Progress
from csparc.cli import main as cli
from csparc.data.scenes import Scenes
from csparc.losses.registry import LOSSES
from csparc.trainer.step import Step


class Similar(Scenes):
    """Scenes that share five captions."""

    def captions(self, index: int) -> list[str]:
        return super().captions(index % 5)[:1]


def similar() -> Similar:
    return Similar(tier="S", size=40, split="train")


class Asked(csparc.ClipLoss):
    """Keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict] = []

    def __call__(self, groups=None, same_group="exclude", **arguments):
        out = super().__call__(groups=groups, same_group=same_group, **arguments)
        self.calls.append({"groups": groups, "same_group": same_group, "loss": out.loss})
        return out


@pytest.mark.parametrize("duplicates", ["exclude", "positive"])
def test_the_loss_gets_the_groups(duplicates):
    loss = Asked()
    log = (
        small_training.trainer(loss=loss, data=similar(), steps=2, duplicates=duplicates).run().log
    )
    assert [call["loss"] for call in loss.calls] == [record["loss"] for record in log]
    for call in loss.calls:
        assert call["same_group"] == duplicates
        assert call["groups"].shape == (8,)
        assert len(np.unique(call["groups"])) <= 5  # of five captions
    plain = Asked()
    small_training.trainer(loss=plain, data=similar(), steps=2).run()
    assert all(call["groups"] is None for call in plain.calls)
    assert plain.calls[0]["loss"] != loss.calls[0]["loss"]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_with_groups(loss):
    for duplicates in ("exclude", "positive"):
        trainer = small_training.trainer(
            loss=loss, data=similar(), steps=2, duplicates=duplicates, val_frequency=0
        )
        assert all(np.isfinite(record["loss"]) for record in trainer.run().log)


class Plain:
    """A loss of one's own, without groups."""

    inputs = ("image_global", "text_global")

    def config(self) -> dict:
        return {}

    def __call__(self, image_global, text_global, *, text_mask, logit_scale, grad):
        return csparc.clip_loss(image_global, text_global, logit_scale=logit_scale, grad=grad)


def test_a_loss_without_groups_is_refused_them():
    message = r"^duplicates: expected 'allow' or 'avoid' with Plain, .* found 'positive'"
    with pytest.raises(ValueError, match=message):
        small_training.trainer(loss=Plain(), data=similar(), duplicates="positive")
    for duplicates in ("allow", "avoid"):
        small_training.trainer(
            loss=Plain(), data=similar(), steps=1, batch_size=4, duplicates=duplicates
        ).run()


@pytest.mark.parametrize("duplicates", ["avoid", "positive"])
def test_a_resumed_run_ends_in_the_same_bits(duplicates, tmp_path, monkeypatch):
    settings = dict(data=similar(), steps=12, batch_size=4, duplicates=duplicates)
    small_training.trainer(tmp_path / "whole", **settings).run()
    step = Step.run

    def stopping(self, number, *arguments):
        record = step(self, number, *arguments)
        if number in (3, 8):
            os.kill(os.getpid(), signal.SIGTERM)
        return record

    monkeypatch.setattr(Step, "run", stopping)
    parts = [
        small_training.trainer(tmp_path / "parts", resume="latest", **settings).run()
        for _ in range(3)
    ]
    assert [part.interrupted for part in parts] == ["SIGTERM", "SIGTERM", None]
    same_run(tmp_path / "whole", tmp_path / "parts")
    assert len(read_log(tmp_path / "parts")) == 12


@pytest.mark.parametrize("accum_freq", [1, 3])
def test_epochs_end_where_the_data_does(accum_freq, tmp_path, capsys):
    settings = dict(data=similar(), batch_size=4, duplicates="avoid", accum_freq=accum_freq)
    trainer = small_training.trainer(steps=1, **settings)
    with trainer._loader(None, Progress("training", kind="none")) as loader:
        batches = [loader.batches_in(epoch) for epoch in range(3)]
    assert 3 < sum(batches) / 3 < 10  # as many as 40 different pairs would fill
    trainer = small_training.trainer(
        tmp_path, steps=None, epochs=3, progress="lines", val_data=None, **settings
    )
    result = trainer.run()
    assert result.counters.step == sum(batches) // accum_freq
    assert result.counters.epoch == 2
    assert result.counters.samples_seen == result.counters.step * accum_freq * 4
    said = capsys.readouterr().err
    plain = 30 // accum_freq
    assert f"{result.counters.step} steps, of {plain} if no duplicates were kept apart" in said
    assert f"step {result.counters.step}/{result.counters.step}" in said
    assert read_log(tmp_path)[-1]["lr"] < 0.2 * small_training.SETTINGS["lr"]


def test_the_command_line(tmp_path, capsys):
    data = "scenes:tier=S;size=24"
    arguments = ["train", "--train-data", data, "--batch-size", "4", "--vocab-size", "300"]
    arguments += ["--steps", "1"]
    for duplicates in ("avoid", "positive"):
        out = tmp_path / duplicates
        assert cli.main([*arguments, "--duplicates", duplicates, "--out", str(out)]) == 0
        metadata = csparc.load_checkpoint(out)[2]
        assert metadata.train_config["duplicates"] == duplicates
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--duplicates", "drop", "--out", str(tmp_path / "no")])
    assert "--duplicates: invalid choice: 'drop'" in capsys.readouterr().err
