"""Local towers through the whole path: every loss, checkpoints, resuming, evaluation, pictures."""

from __future__ import annotations

import numpy as np
import pytest
import small_training
from PIL import Image

import csparc
from csparc.cli import main as cli
from csparc.losses.registry import LOSSES, make_loss
from csparc.models import create_model
from csparc.trainer import Trainer

GLOBAL_ALONE = ("clip", "siglip")
LOCAL_ALONE = ("filip", "pacl", "word-contrast")


def trainer(loss: str, out=None, **settings) -> Trainer:
    made, words = make_loss(loss), small_training.tokenizer()
    model = create_model(
        "nano-local", vocab_size=words.vocab_size, image_size=32, shared_width=16,
        image={"width": 16, "heads": 2}, text={"width": 16, "layers": 1, "heads": 2},
        **made.suited_model(),
    )  # fmt: skip
    given = {**small_training.SETTINGS, **settings}
    return Trainer(model, made, small_training.scenes(), tokenizer=words, out=out, **given)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_what_it_reads(loss: str) -> None:
    run = trainer(loss, steps=60)
    before = small_training.weights(run)
    losses = [record["loss"] for record in run.run().log]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])
    unread = {"local_"} if loss in GLOBAL_ALONE else set()
    for name, parameter in run.model.parameters.items():
        read = not name.removeprefix("visual.").startswith(tuple(unread))
        if parameter.decay or not read or name.endswith("q.bias"):
            continue  # decay moves what no gradient does
        assert np.array_equal(parameter.data, before[name]) != read, name
    path = [n for n in before if n.startswith(("visual.ln_post", "transformer"))]
    assert bool(path) == (loss not in LOCAL_ALONE)


def test_a_checkpoint_gives_the_same_model(tmp_path) -> None:
    run = trainer("clip+filip", tmp_path / "run", steps=4)
    run.run()
    loaded = csparc.load_checkpoint(tmp_path / "run")[0]
    assert loaded.config == run.model.config
    for name, value in small_training.weights(run).items():
        np.testing.assert_array_equal(loaded.state_dict()[name], value)


def test_the_command_line_takes_a_local_tower(tmp_path, capsys) -> None:
    """Trained with options of its own, evaluated, encoded and drawn."""
    run, picture = str(tmp_path / "run"), tmp_path / "picture.png"
    options = ["registers=2", "image.layers=1", "attention_window=3", "pool_queries=2"]
    command = ["train", "--model", "nano-local", "--loss", "clip+filip", "--steps", "2"]
    command += ["--batch-size", "8", "--vocab-size", "300", "--threads", "1", "--out", run]
    command += [word for option in options for word in ("--model-opt", option)]
    assert cli.main([*command, "--train-data", "scenes:tier=S;size=24"]) == 0
    data = ["--data", "scenes:tier=S;size=8;split=val"]
    for task in ("retrieval", "grounding"):
        assert cli.main(["eval", task, "--checkpoint", run, *data]) == 0
    assert cli.main(["encode", "--checkpoint", run, *data, "--out", str(tmp_path / "f.npz")]) == 0
    Image.new("RGB", (50, 40), (200, 30, 30)).save(picture)
    command = ["align", "--checkpoint", run, "--image", str(picture), "--caption", "a red circle"]
    assert cli.main([*command, "--out", str(tmp_path / "align.png")]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_info_states_what_a_local_patch_reads(capsys) -> None:
    for model, reads in (("nano-local", "31 px"), ("tiny-local", "63 px"), ("nano", "whole")):
        assert cli.main(["info", model]) == 0
        line = next(x for x in capsys.readouterr().out.splitlines() if "local patch reads" in x)
        assert reads in line
    assert cli.main(["info"]) == 0
    assert "conv 64x0x4" in capsys.readouterr().out
