"""A run that is killed and resumed ends in the bits of one that never stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_training
from interrupts import heed_interrupts
from small_training import read_log

import csparc
from csparc.checkpoint.folder import CheckpointFolder
from csparc.data.export import export
from csparc.data.tokenizer import train
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError, TrainingError

SCRIPT = small_training.__file__
STEPS = 40


def start(out: Path, **settings) -> subprocess.Popen:
    pairs = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    # Threads that wait by spinning would starve the other tests of a small machine.
    env = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(out), *pairs],
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        preexec_fn=heed_interrupts,
    )


def run(out: Path, **settings) -> str:
    """To the end; returns what it said."""
    process = start(out, **settings)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def steps_logged(out: Path) -> int:
    log = out / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def last(out: Path) -> bytes:
    return CheckpointFolder(out / "checkpoints").last.read_bytes()


def same_run(out: Path, other: Path) -> None:
    """The last checkpoint byte for byte (weights, moments, counters, cursor) and both logs."""
    assert last(out) == last(other)
    for name in ("log.jsonl", "validation.jsonl"):
        assert read_log(out, name) == read_log(other, name)
    assert (out / "checkpoints" / "best.safetensors").read_bytes() == (
        other / "checkpoints" / "best.safetensors"
    ).read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out, steps=STEPS, threads=1)
    return out


def test_threads_and_repetition_do_not_change_a_bit(uninterrupted, tmp_path):
    run(tmp_path / "run", steps=STEPS, threads=2)
    same_run(uninterrupted, tmp_path / "run")


OTHER_RUNS = [
    {},
    {"loss": "mgca", "duplicates": "avoid"},
    {"loss": "clip+words", "duplicates": "exclude"},
    {
        "init": True,
        "ema": 0.9,
        "early_stop": 4,
        "layer_decay": 0.8,
        "lock_image": True,
        "lock_image_unlocked_groups": 2,
    },
]


@pytest.mark.parametrize("other", OTHER_RUNS, ids=["", "mgca", "words", "fine-tuning"])
def test_kill_9_at_random_moments(other, uninterrupted, tmp_path):
    """Killed four times, wherever it is, with one and two threads in turn."""
    draw, out, whole = random.Random(len(other)), tmp_path / "run", uninterrupted
    if other.get("init"):
        other = {**other, "init": str(uninterrupted)}
    if other:
        whole = tmp_path / "whole"
        run(whole, steps=STEPS, **other)
    for kill in range(4):
        process = start(out, steps=STEPS, threads=1 + kill % 2, resume="latest", **other)
        goal = steps_logged(out) + draw.randint(1, STEPS // 8)
        while steps_logged(out) < goal and process.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert steps_logged(out) > 0
    run(out, steps=STEPS, threads=2, resume="latest", **other)
    same_run(whole, out)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
        signal.SIGXCPU,
    ],
)  # fmt: skip
def test_a_polite_signal_saves_the_current_step(number, uninterrupted, tmp_path):
    out = tmp_path / "run"
    process = start(out, steps=STEPS, save_frequency=1000, progress="lines", slow=True)
    while steps_logged(out) < 3:
        time.sleep(0.002)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 0, said
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert said.count("stopped after step") == 1
    assert f"{name}: stopped after step" in said
    done = steps_logged(out)
    assert 3 <= done < STEPS
    said = run(out, steps=STEPS, resume="latest", progress="lines")
    assert f"resuming after step {done}" in said
    same_run(uninterrupted, out)


def test_nothing_to_resume_starts_anew_and_says_so(tmp_path):
    out = tmp_path / "run"
    said = run(out, resume="latest", progress="lines")
    assert f"nothing to resume in {out}: starting anew" in said
    assert len(read_log(out)) == small_training.SETTINGS["steps"]


def test_a_finished_run_stays_as_it_is(tmp_path):
    out = tmp_path / "run"
    small_training.trainer(out).run()
    before = last(out)
    result = small_training.trainer(out, resume="latest").run()
    assert last(out) == before
    assert result.counters.step == small_training.SETTINGS["steps"]
    assert len(read_log(out)) == result.counters.step


def test_a_damaged_last_falls_back_to_the_previous(tmp_path, capsys):
    out, whole = tmp_path / "run", tmp_path / "whole"
    small_training.trainer(whole).run()
    small_training.trainer(out).run()
    folder = CheckpointFolder(out / "checkpoints")
    folder.last.write_bytes(folder.last.read_bytes()[:-1])
    small_training.trainer(out, resume="latest", progress="lines").run()
    said = capsys.readouterr().err
    assert "last.safetensors: expected" in said
    assert "resuming after step 10" in said
    same_run(whole, out)


def test_nothing_is_guessed_when_every_checkpoint_is_damaged(tmp_path):
    out = tmp_path / "run"
    small_training.trainer(out).run()
    for path in CheckpointFolder(out / "checkpoints").candidates():
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="found an empty file"):
        small_training.trainer(out, resume="latest").run()


def test_a_run_is_not_overwritten_unasked(tmp_path):
    out = tmp_path / "run"
    small_training.trainer(out, steps=2).run()
    with pytest.raises(TrainingError, match="expected a folder without a run, found last"):
        small_training.trainer(out, steps=2).run()
    small_training.trainer(out, steps=3, overwrite=True).run()
    assert len(read_log(out)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 1e-4}, "train_config lr = 0.0001 as in this run, found 0.003"),
        ({"batch_size": 4}, "train_config batch_size = 4"),
        ({"loss": "clip"}, "loss_config loss = 'clip'"),
        ({"data": small_training.scenes(41)}, "training data of this run, 41 pictures .* found 40"),
        ({"data": small_training.scenes(40, "val")}, "training data .* with other names or"),
        ({"data": small_training.scenes(39), "batch_size": 4}, "training data"),
        ({"val_data": small_training.scenes(8)}, "validation data of this run, 8 pictures"),
        (
            {"val_preprocess": Preprocess(32, std=(1, 1, 1)), "preprocess": Preprocess(32)},
            "expected preprocess std = ",
        ),
        ({"tokenizer": train(["a b"], vocab_size=300, context_length=32)}, "the tokenizer of this"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_another_run_is_refused(change, message, tmp_path):
    out = tmp_path / "run"
    small_training.trainer(out, steps=2).run()
    with pytest.raises((CheckpointError, ValueError), match=message):
        small_training.trainer(out, steps=4, resume="latest", **change).run()
    assert len(read_log(out)) == 2


def test_data_may_move_and_validation_come_and_go(tmp_path):
    for place in ("here", "there"):
        export(small_training.scenes(40), "folder", tmp_path / place)
    out = tmp_path / "run"
    small_training.trainer(out, steps=2, data=csparc.data.open(tmp_path / "here")).run()
    there = {"data": csparc.data.open(tmp_path / "there"), "resume": "latest"}
    small_training.trainer(out, steps=3, val_data=None, **there).run()
    small_training.trainer(out, steps=4, **there).run()
    assert len(read_log(out)) == 4
    caption = next((tmp_path / "there").glob("*.txt"))
    caption.write_text("another one")
    there["data"] = csparc.data.open(tmp_path / "there")
    with pytest.raises(CheckpointError, match="with other names or captions"):
        small_training.trainer(out, steps=5, **there).run()


def test_a_run_that_is_done_says_so(tmp_path, capsys):
    out = tmp_path / "run"
    small_training.trainer(out, steps=4).run()
    before = last(out)
    for steps in (4, 3):
        small_training.trainer(out, steps=steps, resume="latest", progress="lines").run()
        assert f"nothing is left of the {steps} steps" in capsys.readouterr().err
        assert last(out) == before


def test_two_processes_do_not_share_a_folder(tmp_path):
    out = tmp_path / "run"
    process = start(out, steps=100_000)
    while steps_logged(out) < 1:
        time.sleep(0.002)
    with pytest.raises(TrainingError, match="found another process at it"):
        small_training.trainer(out, resume="latest").run()
    process.kill()
    process.communicate()


def test_a_checkpoint_for_use_cannot_be_resumed(tmp_path):
    from dataclasses import replace

    from csparc.checkpoint.checkpoint import read_checkpoint

    out = tmp_path / "run"
    small_training.trainer(out, steps=2).run()
    folder = CheckpointFolder(out / "checkpoints")
    bare = replace(read_checkpoint(folder.last), first_moment={}, second_moment={})
    with open(tmp_path / "bare.safetensors", "wb") as file:
        bare.write(file)
    with pytest.raises(CheckpointError, match="expected the state of the optimiser"):
        small_training.trainer(out, resume=tmp_path / "bare.safetensors").run()


def test_a_checkpoint_older_than_a_setting_can_be_resumed(tmp_path):
    from csparc.checkpoint.checkpoint import read_checkpoint

    out = tmp_path / "run"
    small_training.trainer(out, steps=2).run()
    older = read_checkpoint(CheckpointFolder(out / "checkpoints").last)
    del older.metadata.train_config["duplicates"], older.metadata.loss_config["precision"]
    with open(tmp_path / "older.safetensors", "wb") as file:
        older.write(file)
    found = tmp_path / "older.safetensors"
    small_training.trainer(tmp_path / "on", steps=3, resume=found).run()
    with pytest.raises(CheckpointError, match="duplicates = 'avoid' as in this run, found 'allow'"):
        small_training.trainer(tmp_path / "no", resume=found, duplicates="avoid").run()


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    out = tmp_path / "run"
    small_training.trainer(out, steps=4).run()
    result = small_training.trainer(out, steps=6, resume="latest").run()
    assert result.counters.step == 6
    assert [record["step"] for record in read_log(out)] == [1, 2, 3, 4, 5, 6]
