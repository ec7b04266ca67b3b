"""Losses in training: what a line keeps of them, and how two settings compare over seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_study import STUDY, record, write

from csparc.cli import main as cli
from csparc.study import read_study, report
from csparc.study.curves import compared_curves, shortened
from csparc.study.pages import as_json, markdown

STEPS = 20


def reported(folder, curves):
    """The report of lines with these losses by setting and seed."""
    study = read_study(write(folder, {**STUDY, "seeds": [0, 1]}))
    lines = []
    for unit in study.units():
        kept = {"every": 5, "loss": list(curves[unit.setting][unit.seed])}
        lines.append({**record(study, unit, 1.0), "curve": kept})
    return report(study, lines)


def falling(*starts):
    """A curve a seed: from a start to 0, in even steps."""
    return [np.linspace(start, 0, STEPS) for start in starts]


@pytest.mark.parametrize(("steps", "every", "points"), [(7, 1, 7), (1000, 5, 200), (401, 3, 133)])
def test_a_line_keeps_means_of_equal_stretches(steps, every, points):
    kept = shortened([{"step": i, "loss": float(i)} for i in range(1, steps + 1)])
    assert (kept["every"], len(kept["loss"])) == (every, points)
    assert kept["loss"][:2] == [(every + 1) / 2, (3 * every + 1) / 2]


def test_a_log_without_a_step_has_no_curve():
    assert shortened([]) is None


def test_difference_and_deviation_over_seeds(tmp_path):
    found = reported(tmp_path, {"sparc": falling(3, 5), "clip": falling(1, 2)})
    (one,) = compared_curves(found)
    assert (one.first, one.second, one.seeds, one.window) == ("sparc", "clip", (0, 1), 50)
    # The mean of ten points of an even fall is the middle of the first and the last.
    share = np.array([(2 * STEPS - 2 * i - 11) / (2 * (STEPS - 1)) for i in range(STEPS - 9)])
    assert one.difference == pytest.approx((4 - 1.5) * share)
    # Two seeds x and y have a deviation of |x - y| / sqrt 2, here 2 and 1 apart.
    assert one.deviation == pytest.approx(np.sqrt((2 + 0.5) / 2) * share)
    assert one.steps.tolist() == list(range(50, 101, 5))
    told = one.summary()
    assert (told["step"], told["largest"]) == (50, pytest.approx(2.5 * share[0]))
    assert told["share_of_deviation"] == pytest.approx(2.5 / np.sqrt(1.25))
    assert told["last"] == pytest.approx([4 * share[-1], 1.5 * share[-1]])


def test_the_table_says_how_far_apart_they_are(tmp_path):
    found = reported(tmp_path, {"sparc": falling(3, 5), "clip": falling(1, 2)})
    assert "| sparc − clip | 2 | 50 | +1.9 | 50 | 0.853 | 224 % | 0.947, 0.355 |" in markdown(found)
    assert as_json(found)["curves"][0]["n"] == 2


def test_without_curves_of_the_same_steps_there_is_no_table(tmp_path):
    study = read_study(write(tmp_path, STUDY))
    plain = report(study, [record(study, unit, 1.0) for unit in study.units()])
    assert not list(compared_curves(plain))
    assert "Losses in training" not in markdown(plain)
    other = reported(tmp_path, {"sparc": [[1.0], [1.0]], "clip": falling(1, 2)})
    assert not list(compared_curves(other))


def test_the_command_draws_them(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    found = reported(tmp_path, {"sparc": falling(3, 5), "clip": falling(1, 2)})
    path, lines = tmp_path / "study.json", tmp_path / "study.jsonl"
    lines.write_text("".join(f"{json.dumps(one)}\n" for one in found.lines), encoding="utf-8")
    picture = tmp_path / "curves.png"
    assert cli.main(["study", "report", str(path), f"--curves={picture}"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    bare = [{**one, "curve": None} for one in found.lines]
    lines.write_text("".join(f"{json.dumps(one)}\n" for one in bare), encoding="utf-8")
    assert cli.main(["study", "report", str(path), f"--curves={picture}"]) == 2
    assert "expected lines of two compared settings" in capsys.readouterr().err
