"""A run in bfloat16: recorded, the same on any threads, gone on with in bfloat16 alone."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

import csparc
from csparc.errors import CheckpointError

SETTINGS = {"val_data": None, "steps": 3}


def test_same_weights_on_any_threads_and_others_than_in_float32():
    runs = []
    for precision, threads in (("bf16", 1), ("bf16", 2), ("fp32", 1)):
        run = small_training.trainer(precision=precision, **{**SETTINGS, "threads": threads})
        run.run()
        runs.append(small_training.weights(run))
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    assert all(np.array_equal(runs[0][key], runs[1][key]) for key in runs[0])
    assert not np.array_equal(runs[0][name], runs[2][name])


def test_recorded_and_checked_when_a_run_goes_on(tmp_path):
    small_training.trainer(tmp_path, precision="bfloat16", **SETTINGS).run()
    last = tmp_path / "checkpoints" / "last.safetensors"
    assert csparc.load_checkpoint(last).metadata.train_config["precision"] == "bf16"
    with pytest.raises(CheckpointError, match=r"expected train_config precision = .*found 'bf16'"):
        small_training.trainer(tmp_path, resume="latest", **SETTINGS).run()
    longer = {**SETTINGS, "steps": 4}
    small_training.trainer(tmp_path, resume="latest", precision="bf16", **longer).run()
