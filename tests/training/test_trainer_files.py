"""What training writes: its logs, and what a full disk leaves of them and of checkpoints."""

from __future__ import annotations

import errno
import json
import math

import pytest
import small_training
from small_training import read_log

from csparc.checkpoint.folder import CheckpointFolder
from csparc.errors import TrainingError
from csparc.losses import SparcLoss
from csparc.trainer import load_checkpoint
from csparc.trainer.log import JsonLines, step_keys


def test_the_log_has_exactly_its_keys(tmp_path):
    small_training.trainer(tmp_path / "run").run()
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert len(lines) == small_training.SETTINGS["steps"]
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert tuple(record) == (
            "step", "loss", "global_loss", "local_loss", "prototype_loss", "logit_scale", "lr",
            "grad_norm", "param_norm", "update_norm", "kept_fraction", "pairs_per_second",
            "data_wait",
        )  # fmt: skip
        assert tuple(record) == step_keys(SparcLoss())
        assert record["step"] == number
        assert all(math.isfinite(value) for value in record.values())


def test_validation_is_logged_where_it_is_due(tmp_path):
    result = small_training.trainer(tmp_path / "run").run()
    records = read_log(tmp_path / "run", "validation.jsonl")
    assert [record["step"] for record in records] == [5, 10, 12]
    best = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.safetensors")[2].counters
    scores = {r["step"]: (r["image_to_text_R@1"] + r["text_to_image_R@1"]) / 2 for r in records}
    assert best.best_score == max(scores.values())
    assert best.step == best.best_step == min(s for s in scores if scores[s] == best.best_score)
    assert result.validation["n_images"] == 8


def test_a_log_is_cut_back_to_whole_lines(tmp_path):
    log = JsonLines(tmp_path / "a.jsonl")
    for step in range(1, 6):
        log.append({"step": step})
    with open(log.path, "ab") as file:
        file.write(b'{"step": 6')
    log.cut_back(9)
    assert log.path.read_text().count("\n") == 5
    log.cut_back(3)
    log.append({"step": 4, "again": True})
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 2, 3, 4]
    log.close()


def test_a_log_refuses_other_keys_and_nan(tmp_path):
    log = JsonLines(tmp_path / "a.jsonl", ("step", "loss"))
    with pytest.raises(KeyError, match="expected the keys step, loss"):
        log.append({"step": 1})
    with pytest.raises(ValueError, match="JSON"):
        log.append({"step": 1, "loss": math.nan})
    assert not log.path.exists() or not log.path.read_text()
    log.close()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_on_a_full_disk_saves_the_step_first(tmp_path, monkeypatch):
    out, append = tmp_path / "run", JsonLines.append

    def fail_at_7(self, record):
        if record.get("step") == 7 and "loss" in record:
            full()
        append(self, record)

    monkeypatch.setattr(JsonLines, "append", fail_at_7)
    with pytest.raises(TrainingError, match=r"No space left .* step 7 is whole.*resume='latest'"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 7


def test_a_checkpoint_on_a_full_disk_leaves_the_last_good_one(tmp_path, monkeypatch):
    out, save = tmp_path / "run", CheckpointFolder.save_last

    def fail_at_8(self, write, again):
        saves.append(again)
        if len(saves) == 5:  # of steps 2, 4, 5 (which is validated), 6, 8
            full()
        save(self, write, again)

    saves = []
    monkeypatch.setattr(CheckpointFolder, "save_last", fail_at_8)
    with pytest.raises(TrainingError, match="checkpoint of step 6 is whole"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 6
    small_training.trainer(out, resume="latest").run()
    small_training.trainer(tmp_path / "whole").run()
    assert (out / "checkpoints" / "last.safetensors").read_bytes() == (
        tmp_path / "whole" / "checkpoints" / "last.safetensors"
    ).read_bytes()
    assert read_log(out) == read_log(tmp_path / "whole")


def test_a_best_checkpoint_on_a_full_disk_is_made_up_for(tmp_path, monkeypatch):
    """The step is saved as not validated, so that the resumed run validates it."""
    out = tmp_path / "run"
    monkeypatch.setattr(CheckpointFolder, "save_best", full)
    with pytest.raises(TrainingError, match="checkpoint of step 5 is whole"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    small_training.trainer(out, resume="latest").run()
    assert [r["step"] for r in read_log(out, "validation.jsonl")] == [5, 10, 12]


def test_no_room_at_the_start_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "keep_room", full)
    with pytest.raises(TrainingError, match=r"expected room for checkpoints of .* MB"):
        small_training.trainer(tmp_path / "run").run()
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_resumed_run_knows_what_was_saved_before_it(tmp_path, monkeypatch):
    out = tmp_path / "run"
    small_training.trainer(out, steps=4).run()
    monkeypatch.setattr(CheckpointFolder, "save_last", full)
    with pytest.raises(TrainingError, match="checkpoint of step 4 is whole"):
        small_training.trainer(out, steps=6, resume="latest").run()


def test_a_disk_full_after_a_save_stops_with_that_save(tmp_path, monkeypatch):
    """Going on would lose the steps up to a save that has no room."""
    keep_room, calls = CheckpointFolder.keep_room, []

    def fail_second(self):
        calls.append(1)
        if len(calls) == 2:
            full()
        keep_room(self)

    monkeypatch.setattr(CheckpointFolder, "keep_room", fail_second)
    with pytest.raises(TrainingError, match="checkpoint of step 2 is whole"):
        small_training.trainer(tmp_path / "run").run()
    assert len(read_log(tmp_path / "run")) == 2


def test_an_out_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="expected a folder to write the run to"):
        small_training.trainer(tmp_path / "file" / "run").run()
