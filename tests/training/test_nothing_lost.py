"""What was trained is on the disk before anything else can fail; a failed validation is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_training
from small_training import read_log

from csparc.checkpoint.folder import CheckpointFolder
from csparc.data.export import export
from csparc.data.report import BadItem
from csparc.errors import DataError
from csparc.trainer import load_checkpoint
from csparc.trainer.validation import Validation

FAILURES = {
    "a picture": DataError("val: 3 of 12 items are bad"),
    "memory": MemoryError("Unable to allocate 9 GiB"),
    "the disk": OSError(5, "Input/output error"),
    "a mistake": RuntimeError("no figure of this"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    small_training.trainer(out).run()
    return out


def failing(monkeypatch, error: Exception, steps: set[int]) -> list[int]:
    """Let the validations after ``steps`` fail; returns the list of the steps saved by then."""
    run, saved = Validation.run, []

    def fail(self, model, should_stop):
        step = load_checkpoint(CheckpointFolder(fail.out / "checkpoints").last)[2].counters.step
        saved.append(step)
        if step in steps:
            raise error
        return run(self, model, should_stop)

    monkeypatch.setattr(Validation, "run", fail)
    fail.out = None
    return saved, fail


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failed_validation_costs_no_step(kind, whole, tmp_path, monkeypatch, capsys):
    """Each validation finds its step saved; training goes on to the same weights."""
    out, error = tmp_path / "run", FAILURES[kind]
    saved, fail = failing(monkeypatch, error, {5, 10, 12})
    fail.out = out
    result = small_training.trainer(out, progress="lines").run()
    assert saved == [5, 10, 12]
    assert result.counters.step == 12
    assert result.validation is None
    assert result.validation_failed.startswith("step 12: validation failed: ")
    assert str(error) in result.validation_failed
    assert capsys.readouterr().err.count("validation failed: ") == 3
    mine, theirs = (load_checkpoint(folder)[0].state_dict() for folder in (out, whole))
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    assert read_log(out) == read_log(whole)


def test_a_resumed_run_validates_what_failed(whole, tmp_path, monkeypatch):
    out = tmp_path / "run"
    fail = failing(monkeypatch, FAILURES["a picture"], {12})[1]
    fail.out = out
    failed = small_training.trainer(out).run()
    assert failed.validation_failed is not None
    monkeypatch.undo()
    result = small_training.trainer(out, resume="latest").run()
    assert result.validation_failed is None
    assert read_log(out, "validation.jsonl") == read_log(whole, "validation.jsonl")
    for name in ("last", "previous", "best"):
        file = f"checkpoints/{name}.safetensors"
        assert (out / file).read_bytes() == (whole / file).read_bytes()


def test_a_validation_that_works_again_is_no_failure(tmp_path, monkeypatch):
    out = tmp_path / "run"
    fail = failing(monkeypatch, FAILURES["memory"], {5})[1]
    fail.out = out
    assert small_training.trainer(out).run().validation_failed is None
    assert [record["step"] for record in read_log(out, "validation.jsonl")] == [10, 12]


def test_the_command_saves_prints_and_says_so_last(tmp_path):
    """The folder is printed, the last line and the exit code say that validation failed."""
    for name, size in (("train", 16), ("val", 8)):
        export(small_training.scenes(size, name), "folder", tmp_path / name)
    for picture in sorted((tmp_path / "val").glob("**/*.png"))[:3]:
        picture.write_bytes(b"")
    out = tmp_path / "run"
    command = ["train", "--train-data", f"folder:{tmp_path / 'train'}", "--batch-size", "8"]
    command += ["--val-data", f"folder:{tmp_path / 'val'}", "--steps", "2", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "csparc", *command], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert done.stdout == f"{out}\n"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("csparc: step 2: validation failed: ")
    assert "of 8 items are bad" in last
    assert f"saved in {out}" in last
    assert load_checkpoint(out)[2].counters.step == 2


class Torn(small_training.Scenes):
    """Scenes that cannot be read from the ``good``-th loading on, as when a disk is unplugged."""

    good = 10**9

    def load(self, index: int) -> np.ndarray:
        self.good -= 1
        if self.good < 0:
            raise self.error or BadItem(self.name(index), "cannot be read")
        return super().load(index)


@pytest.mark.parametrize("accum_freq", [1, 3])
@pytest.mark.parametrize(
    "error", [None, OSError(5, "I/O"), MemoryError("9 GiB")], ids=["bad items", "disk", "memory"]
)
def test_data_that_fail_in_the_middle_cost_no_step(error, accum_freq, tmp_path, monkeypatch):
    """The steps before are saved where the data stand, and the resumed run has the same bits."""
    # One thread loads in the order of training, so that every picture before a bad one is good.
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    settings = {"save_frequency": 1000, "val_data": None, "accum_freq": accum_freq, "steps": 16}
    whole, out = tmp_path / "whole", tmp_path / "run"
    small_training.trainer(whole, data=small_training.scenes(120), **settings).run()
    torn = Torn(tier="S", size=120)
    trainer = small_training.trainer(out, data=torn, **settings)
    torn.good, torn.error = 100, error
    with pytest.raises((DataError, OSError, MemoryError)):
        trainer.run()
    done = trainer._state.counters.step
    assert 0 < done < 16
    assert load_checkpoint(out)[2].counters.step == done
    data = small_training.scenes(120)
    small_training.trainer(out, data=data, resume="latest", **settings).run()
    for folder in (whole, out):
        assert read_log(folder) == read_log(whole)
    last = "checkpoints/last.safetensors"
    assert (out / last).read_bytes() == (whole / last).read_bytes()
