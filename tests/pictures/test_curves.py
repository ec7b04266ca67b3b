"""Reading a log and drawing its curves."""

import json

import numpy as np
import pytest

from csparc.errors import DataError
from csparc.viz.curves import curve, plot_curves, read_log, smooth

LOG = [{"step": i, "loss": 2.0 / i, "local_loss": None} for i in range(1, 30)]


def test_a_cut_off_last_line_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, LOG)) + '\n{"step": 30, "lo')
    assert read_log(path) == LOG


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(DataError, match="line 2: expected one JSON object, found no valid JSON"):
        read_log(path)


def test_curve_leaves_out_what_is_no_number():
    log = [*LOG, {"step": 30, "loss": float("nan")}, {"loss": 1.0}, {"step": 31, "loss": True}]
    steps, values = curve(log, "loss")
    assert len(steps) == len(values) == len(LOG)
    assert len(curve(log, "local_loss")[0]) == 0


def test_smoothing_keeps_a_constant_and_follows_the_mean():
    assert smooth(np.full(500, 3.0)) == pytest.approx(3.0)
    noisy = np.tile([0.0, 2.0], 500)
    assert smooth(noisy)[500:] == pytest.approx(1.0, abs=0.1)
    assert smooth(np.array([]), 3).size == 0


def test_one_panel_a_curve_whatever_the_parts_are_called():
    pytest.importorskip("matplotlib")
    rest = {"ranking_loss": 1.0, "logit_scale": 14.0, "lr": 1e-3, "grad_norm": 2.0}
    figure = plot_curves([r | rest for r in LOG])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "loss", "ranking loss", "logit scale", "gradient norm"
    ]  # fmt: skip


def test_no_panel_for_a_part_the_loss_does_not_have():
    pytest.importorskip("matplotlib")
    figure = plot_curves([r | {"local_loss": 0.0, "prototype_loss": 1.0} for r in LOG])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "prototype loss"]


def test_an_empty_log_draws_an_empty_figure():
    pytest.importorskip("matplotlib")
    assert plot_curves([]).axes == []
