"""The commands that write features and train heads on them, and one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csparc.checkpoint.checkpoint import load_trained
from csparc.cli.main import main
from csparc.features import FrozenFeatures
from csparc.features.manifest import MODEL, NAME

DATA = "scenes:tier=S;size=40"


def encode(run: Path, out: Path, *more: str, data: str = DATA) -> list[str]:
    return ["encode", "--patches", f"--checkpoint={run}", f"--data={data}", f"--out={out}",
            "--threads=1", *more]  # fmt: skip


@pytest.fixture(scope="module")
def folder(trained_run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("features") / "train"
    assert main(encode(trained_run, out, "--shard-size=16")) == 0
    return out


def train(folder: Path, out: Path, *more: str) -> list[str]:
    return ["train", f"--features={folder}", f"--out={out}", "--steps=4", "--batch-size=8",
            "--progress=none", "--threads=1", *more]  # fmt: skip


def test_what_is_trained_is_a_checkpoint_for_all_commands(trained_run, folder, tmp_path, capsys):
    val, out = tmp_path / "val", tmp_path / "run"
    assert main(encode(trained_run, val, data="scenes:tier=S;size=12;split=val")) == 0
    assert "12 pictures and " in capsys.readouterr().out
    assert main(train(folder, out, f"--val-features={val}", "--loss=sparc")) == 0
    assert "image_to_text_R@1" in capsys.readouterr().out
    given = [f"--checkpoint={out}", "--data=scenes:tier=S;size=6"]
    assert main(["eval", "retrieval", *given]) == 0
    assert main(["encode", *given, f"--out={tmp_path / 'x.npz'}"]) == 0


def test_heads_may_be_fresh_and_of_another_shape(trained_run, folder, tmp_path):
    for loss, more, field, wanted in (
        ("filip", [], "global_pool", "mean"),
        ("clip", ["--model-opt=shared_width=24"], "shared_width", 24),
        ("clip", ["--model-opt=global_pool=attention"], "global_pool", "attention"),
    ):
        out = tmp_path / f"{loss}-{len(more)}-{wanted}"
        assert main(train(folder, out, f"--loss={loss}", "--fresh-heads", *more)) == 0
        model, before = load_trained(out).model, load_trained(trained_run).model
        assert getattr(model.config, field) == wanted
        name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
        assert (model.state_dict()[name] == before.state_dict()[name]).all()
        name = "adapter.weight"
        assert (
            model.state_dict()[name].shape != before.state_dict()[name].shape
            or (model.state_dict()[name] != before.state_dict()[name]).any()
        )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--aug-scale=0.5"], "aug-scale: expected none beside --features"),
        (["--model=tiny"], "model: expected none beside --features"),
        (["--cache=kept"], "cache: expected none beside --features"),
        (["--tokenizer=x.json"], "tokenizer: expected none beside --features"),
        (["--model-opt=shared_width=9"], "model-opt: expected --fresh-heads beside it"),
        (["--fresh-heads", "--model-opt=image_size=64"], "image_size: expected fields of"),
        (["--fresh-heads", "--model-opt=global_pool=class"], "heads that read the rows"),
        (["--val-features=nowhere"], "nowhere"),
        (["--mix=1,2"], "mix: expected --train-data several times"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(flags, message, folder, tmp_path, capsys):
    assert main(train(folder, tmp_path / "run", *flags)) == 2
    assert message in capsys.readouterr().err


def test_a_run_cannot_begin_from_features_but_from_their_model(folder, tmp_path, capsys):
    line = ["train", "--train-data", DATA, "--batch-size=8", "--steps=1", f"--out={tmp_path / 'r'}"]
    assert main([*line, f"--init={folder}"]) == 2
    assert "expected weights, found features that csparc encode" in capsys.readouterr().err
    assert main([*line, f"--init={folder / MODEL}"]) == 0


def test_flags_of_features_need_them(trained_run, tmp_path, capsys):
    given = ["encode", f"--checkpoint={trained_run}", f"--data={DATA}", "--dtype=float32"]
    assert main([*given, f"--out={tmp_path / 'x.npz'}"]) == 2
    assert "dtype: expected --patches beside it" in capsys.readouterr().err


def test_kill_9_costs_the_shard_it_is_at(trained_run, tmp_path):
    """Killed twice, wherever it is, and run again, with another number of threads."""
    whole, out, data = tmp_path / "whole", tmp_path / "out", "scenes:tier=S;size=24"
    flags = ["--shard-size=2", "--batch-size=2", "--dtype=float32"]
    assert main(encode(trained_run, whole, *flags, data=data)) == 0
    for kill in range(2):
        words = [sys.executable, "-m", "csparc", *encode(trained_run, out, *flags, data=data)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        goal = len(list(out.glob("shard-*.safetensors"))) + 3
        while len(list(out.glob("shard-*.safetensors"))) < goal and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (out / NAME).exists() or kill == 0
    assert main(encode(trained_run, out, *flags, "--threads=2", data=data)) == 0
    assert len(FrozenFeatures(out)) == 24
    for path in whole.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
