"""Where the time of steps goes: what is recorded, what it is measured against, what is written."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import small_training

from csparc import _core
from csparc.cost import ops
from csparc.profile import Profile
from csparc.profile.peaks import Peaks
from csparc.profile.recorder import Entry, Steps
from csparc.profile.report import PARTS, lines, report


def test_a_run_writes_where_its_time_went(tmp_path, capsys):
    plain = small_training.trainer(tmp_path / "plain", steps=4)
    plain.run()
    ops_before = {name: getattr(_core, name) for name in _core.OPS}
    profiled = small_training.trainer(tmp_path / "run", steps=4, profile=tmp_path / "found.x")
    profiled.run()
    assert {name: getattr(_core, name) for name in _core.OPS} == ops_before
    for name, weight in small_training.weights(plain).items():
        np.testing.assert_array_equal(weight, small_training.weights(profiled)[name])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["steps"] == 3, "the first one is left out"
    assert tuple(found["parts"]) == PARTS
    assert sum(found["parts"].values()) == pytest.approx(1, abs=0.05)
    rows = {row["op"]: row for row in found["rows"]}
    expected = {"linear_backward", "attention_forward", "layernorm_backward", "sparc", "adamw"}
    assert expected <= set(rows)
    assert rows["sparc"]["calls"] == 1
    assert rows["sparc"]["part"] == "loss"
    assert rows["sparc"]["flop"] > 0
    page = (tmp_path / "found.html").read_text()
    assert "linear_backward" in page
    assert "http" not in page
    assert "waiting for data" in capsys.readouterr().err


def test_flop_of_products_are_at_most_what_the_core_counts():
    """What the core counts has rows filled up; of whole blocks both are the same."""
    whole = np.ones((64, 32), np.float32)
    square = np.ones((32, 32), np.float32)
    offsets = np.array([0, 64, 128], np.int32)
    qkv, y, lse = (np.ones(s, np.float32) for s in ((128, 3, 32), (128, 2, 16), (2, 128)))
    image, kernel = np.ones((2, 8, 8, 16), np.float32), np.ones((16, 16, 3, 3), np.float32)
    calls = {
        "linear_forward": (whole, square, None, None, None, False, whole.copy()),
        "linear_backward": (whole, square, whole, False, whole.copy(), square.copy(), None),
        "attention_forward": (qkv, offsets, None, False, 0, 0, 0, y, lse),
        "attention_backward": (
            qkv, offsets, None, False, 0, 0, 0, y, lse, y.copy(), np.empty_like(qkv)
        ),
        "conv_forward": (image, kernel, None, 1, image.copy()),
        "conv_backward": (image, kernel, 1, image, image.copy(), kernel.copy(), None),
    }  # fmt: skip
    for name, values in calls.items():
        _core.count_flop(True)
        getattr(_core, name)(*values)
        counted = _core.count_flop(False)
        found = ops.given(ops.arguments(name), values)
        declared = ops.WORK[name].flop(found)
        assert 0.7 * counted <= declared <= counted, name


def test_bytes_are_those_that_must_move():
    weight, ids, y = np.ones((100, 4), np.float32), np.zeros(3, np.int32), np.ones((3, 4), "f4")
    parameters = ops.arguments("embed_forward")
    found = ops.given(parameters, (weight, ids, y))
    assert ops.moved_bytes("embed_forward", parameters, found) == 3 * 16 + 3 * 4 + 3 * 16
    parameters = ops.arguments("accumulate")
    found = ops.given(parameters, (y, y.copy()))
    assert ops.moved_bytes("accumulate", parameters, found) == 3 * y.nbytes


def test_every_declared_op_is_one_of_the_core():
    assert set(ops.WORK) <= set(_core.OPS)
    for name, work in ops.WORK.items():
        names = {argument.name for argument in ops.arguments(name)}
        assert {*work.added_to, *(work.rows_of or ())} <= names, name


def test_shapes_that_take_little_are_one_row():
    entries = {
        n: Entry("add", {"N": n}, 12 * n, 0.0, False, True, calls=2, seconds=seconds)
        for n, seconds in ((10, 0.004), (20, 0.004), (30, 0.5))
    }
    found = report(Steps(2, 1.0, 0.25, entries), Peaks(1e9, 2e9, 1e6, 1))
    assert [row.shape for row in found.rows] == ["N 30", "2 shapes: N 10-20"]
    assert found.rows[0].peak_fraction == pytest.approx(2 * 360 / 0.5 / 1e6)
    assert found.parts["waiting for data"] == 0.25
    assert found.parts["between ops"] == pytest.approx(1 - 0.25 - 0.508)
    assert any("2 shapes" in line for line in lines(found))


def test_products_of_bfloat16_have_a_peak_of_their_own():
    with Profile() as profile:
        x, weight, y = (np.ones((16, 16), np.float32) for _ in range(3))
        for bf16 in (True, False):
            _core.linear_forward(x, weight, None, None, None, bf16, y)
        profile.end(1.0)
    rows = report(profile.steps, Peaks(1e9, 2e9, 1e6, 1)).rows
    assert sorted(row.bound for row in rows) == ["bf16", "products"]


def test_what_other_threads_do_stands_beside():
    arrays = np.ones((3, 4), np.float32)
    with Profile() as profile:
        profile.begin()
        other = threading.Thread(target=_core.add, args=tuple(arrays))
        other.start()
        other.join()
        _core.accumulate(arrays[0], arrays[1])
        profile.end(1.0)
    found = report(profile.steps, Peaks(1e9, 2e9, 1e6, 1))
    assert [row.op for row in found.rows] == ["accumulate"]
    assert [row.op for row in found.beside] == ["add"]


def test_one_profile_at_a_time_and_no_step_no_report():
    with Profile() as profile:
        with pytest.raises(RuntimeError, match="expected none to be open"):
            Profile().__enter__()
        _core.add(*np.ones((3, 4), np.float32))
        profile.begin()
        _core.add(*np.ones((3, 4), np.float32))
        profile.end(1.0)
    assert [(e.op, e.calls) for e in profile.steps.entries.values()] == [("add", 1)]
    with pytest.raises(ValueError, match="at least one training step"):
        report(Steps(), Peaks(1.0, 1.0, 1.0, 1))


def test_a_folder_that_is_not_there_is_told_before_training(tmp_path):
    trainer = small_training.trainer(tmp_path / "run", profile=tmp_path / "none" / "found.json")
    with pytest.raises(FileNotFoundError, match="profile: expected an existing folder"):
        trainer.run()
