"""Runs on several data sets: summed gradients, epochs, resuming to the bit, the command."""

from __future__ import annotations

import numpy as np
import pytest
import small_training
from small_training import scenes
from test_step import gradients

import csparc
from csparc.checkpoint.folder import CheckpointFolder
from csparc.cli.main import main
from csparc.data import Mixed, MixedBatches
from csparc.data.loading.alternating import loader_of
from csparc.data.scenes import Scenes
from csparc.errors import CheckpointError
from csparc.losses import make_loss
from csparc.optim import AdamW
from csparc.trainer import TrainConfig
from csparc.trainer.step import Step


def sets() -> list[Scenes]:
    return [scenes(40), Scenes(tier="S", size=9, split="test")]


WAYS = {"mixed": lambda: Mixed(sets(), (3, 1)), "batches": lambda: MixedBatches(sets())}


def test_gradients_of_a_batch_of_each_are_summed():
    """And with slices these sums are averaged."""
    trainer, model = small_training.trainer(), small_training.model()
    kept: dict[str, np.ndarray] = {}

    def keep(lr: float) -> tuple[float, float]:
        kept.update({name: p.grad.copy() for name, p in model.parameters.items()})
        return 0.0, 1.0

    with loader_of(MixedBatches(sets()), trainer.tokenizer, trainer.preprocess, 8) as loader:
        found = [next(loader) for _ in range(4)]
        optimizer = AdamW(model.parameters)
        optimizer.step = keep
        config = TrainConfig(steps=1, grad_clip_norm=None, accum_freq=2)
        step = Step(model, make_loss("sparc"), optimizer, config, loader.summed)
        record = step.run(1, found, 1e-3)
    alone = [gradients([batch]) for batch in found]
    for name, gradient in kept.items():
        wanted = sum(grads[name].astype(np.float64) for grads, _ in alone) / 2
        np.testing.assert_allclose(gradient, wanted, atol=1e-5 * max(np.abs(wanted).max(), 1e-6))
    assert record["loss"] == pytest.approx(np.mean([one["loss"] for _, one in alone]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("settings", [{}, {"duplicates": "avoid", "accum_freq": 2}], ids=str)
def test_a_run_that_ends_anywhere_is_gone_on_with(way, settings, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    given = {"batch_size": 4, "steps": 8, "save_frequency": 3, **settings}
    small_training.trainer(whole, data=WAYS[way](), **given).run()
    with small_training.failing_at(6), pytest.raises(MemoryError):
        small_training.trainer(out, data=WAYS[way](), **given).run()
    small_training.trainer(out, data=WAYS[way](), resume="latest", **given).run()
    first, second = (CheckpointFolder(one / "checkpoints").last for one in (whole, out))
    assert first.read_bytes() == second.read_bytes()


def test_epochs_are_those_of_the_first_set():
    runs = {
        way: small_training.trainer(data=make(), steps=None, epochs=1, batch_size=4, val_data=None)
        for way, make in WAYS.items()
    }
    assert {way: run.total_steps for way, run in runs.items()} == {"mixed": 13, "batches": 10}
    counters = runs["batches"].run().counters
    assert (counters.step, counters.samples_seen) == (10, 80)


def test_a_call_holds_out_a_share_of_each():
    both = Mixed(sets(), (3, 1))
    found = csparc.fit(both, steps=2, batch_size=4, progress="none", val_share=0.25)
    assert (len(found.held_out), len(found.data)) == (12, 49)
    assert len(found.held_out.datasets) == 2


def test_another_mix_is_another_run(tmp_path):
    out, given = tmp_path / "run", {"batch_size": 4, "steps": 2, "val_data": None}
    small_training.trainer(out, data=Mixed(sets(), (3, 1)), **given).run()
    for other in (Mixed(sets(), (1, 1)), MixedBatches(sets()), Mixed(sets()[::-1], (3, 1))):
        with pytest.raises(CheckpointError, match="training data of this run"):
            small_training.trainer(out, data=other, resume="latest", **given).run()


SMALL = ["--model-opt=image.layers=1", "--model-opt=text.layers=1", "--steps=2", "--batch-size=6",
         "--train-data=scenes:tier=S;size=30", "--progress=none"]  # fmt: skip


@pytest.mark.parametrize("way", [["--mix=1,2"], ["--mix-batches"], []], ids=str)
def test_the_command_takes_several(way, tmp_path, capsys):
    given = [*SMALL, "--train-data=scenes:tier=M;size=20", *way]
    assert main(["train", *given, f"--out={tmp_path / 'run'}"]) == 0
    assert str(tmp_path / "run") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mix=1,2"], "mix: expected --train-data several times beside it, found one"),
        (["--mix-batches"], "mix-batches: expected --train-data several times"),
        (["--train-data=scenes:", "--mix=1,2,3"], "mix: expected 2 weights"),
    ],
)
def test_the_command_refuses(flags, message, tmp_path, capsys):
    assert main(["train", *SMALL, *flags, f"--out={tmp_path / 'run'}"]) != 0
    assert message in capsys.readouterr().err
