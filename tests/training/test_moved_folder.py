"""A run whose folder was deleted, moved or replaced stops and never writes to what is there."""

from __future__ import annotations

import os
import shutil

import pytest
import small_training

from csparc.errors import TrainingError
from csparc.trainer.log import JsonLines
from csparc.trainer.validation import Validation

LIMITS = {"save_frequency": 4, "val_frequency": 6}


def tree(folder) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def at_step(monkeypatch, step: int, act) -> None:
    """Do ``act`` once, when the line of ``step`` is logged."""
    append, done = JsonLines.append, []

    def log(self, record):
        append(self, record)
        if record["step"] == step and "loss" in record and not done:
            done.append(step)
            act()

    monkeypatch.setattr(JsonLines, "append", log)


def delete(out):
    shutil.rmtree(out)


def move(out):
    os.rename(out, out.with_name("moved"))


def replace_by_a_run(out):
    shutil.rmtree(out)
    small_training.trainer(out, steps=3, seed=1, val_data=None).run()
    (out / "checkpoints" / "spare.tmp").write_bytes(b"the room of the newer run")


def replace_by_a_file(out):
    shutil.rmtree(out)
    out.write_text("mine")


def replace_by_a_copy(out):
    os.rename(out, out.with_name("moved"))
    shutil.copytree(out.with_name("moved"), out)


@pytest.mark.parametrize("step", [1, 6, 11])
@pytest.mark.parametrize(
    "act", [delete, move, replace_by_a_run, replace_by_a_file, replace_by_a_copy]
)
def test_the_older_run_stops_and_writes_nothing(act, step, tmp_path, monkeypatch):
    out, after = tmp_path / "run", {}

    def change():
        act(out)
        after.update(tree(tmp_path / "run") if out.is_dir() else {})

    at_step(monkeypatch, step, change)
    with pytest.raises(TrainingError, match=r"was deleted or moved while it trained") as said:
        small_training.trainer(out, **LIMITS).run()
    lost = "all steps are lost" if step < 4 else "steps after the checkpoint of step "
    assert lost in str(said.value)
    if out.is_dir():
        assert tree(out) == after
    elif out.exists():
        assert out.read_text() == "mine"


def test_a_folder_replaced_during_validation_is_left_alone(tmp_path, monkeypatch):
    out, run, after = tmp_path / "run", Validation.run, {}

    def validate(self, model, should_stop):
        if not after:
            replace_by_a_run(out)
            after.update(tree(out))
        return run(self, model, should_stop)

    monkeypatch.setattr(Validation, "run", validate)
    with pytest.raises(TrainingError, match="was deleted or moved"):
        small_training.trainer(out, **LIMITS).run()
    assert tree(out) == after


def test_a_link_to_the_folder_may_be_renamed_back(tmp_path, monkeypatch):
    """What counts is where the path leads when something is written."""
    out = tmp_path / "run"

    def there_and_back():
        os.rename(out, tmp_path / "elsewhere")
        os.rename(tmp_path / "elsewhere", out)

    at_step(monkeypatch, 5, there_and_back)
    assert small_training.trainer(out, **LIMITS).run().counters.step == 12


def test_checkpoints_that_were_deleted_are_not_called_whole(tmp_path, monkeypatch):
    out = tmp_path / "run"
    at_step(monkeypatch, 6, lambda: delete(out / "checkpoints"))
    with pytest.raises(
        TrainingError, match=r"cannot be written: .*step 4 is no longer there; mend"
    ):
        small_training.trainer(out, **LIMITS).run()
