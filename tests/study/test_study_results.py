"""Lines of results are appended whole, repaired where a kill cut them, and never of two studies."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from small_study import STUDY, record, write

from csparc.errors import DataError, TrainingError
from csparc.study import Results, read_results, read_study
from csparc.study.clock import Clock, peak_megabytes
from csparc.study.provenance import commit_of
from csparc.study.results import latest

HOLD = """
import sys, csparc.study as s
results = s.Results(sys.argv[1], s.read_study(sys.argv[2]))
results.open(True)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def study(tmp_path):
    return read_study(write(tmp_path, STUDY))


def filled(folder, study, values=(1.0, 2.0)):
    results = Results(folder, study)
    results.open(False)
    for unit, value in zip(study.units(), values):
        results.append(record(study, unit, value))
    results.close()
    return results


def test_lines_come_back(tmp_path, study):
    results = filled(tmp_path / "out", study)
    assert read_results(results.path) == results.lines
    units = list(study.units())
    assert results.of(units[0])["seed"] == 0
    assert results.of(units[3]) is None
    assert json.loads((tmp_path / "out" / "study.json").read_text()) == STUDY


def test_every_cut_of_the_last_line_is_repaired(tmp_path, study):
    results = filled(tmp_path / "out", study)
    whole = results.path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in (first + 1, first + 40, len(whole) - 1):
        results.path.write_bytes(whole[:end])
        said = []
        again = Results(tmp_path / "out", study)
        again.open(True, said.append)
        again.close()
        assert again.lines == results.lines[:1]
        assert results.path.read_bytes() == whole[:first]
        assert "the last line was cut off" in said[0]


def test_a_damaged_line_in_the_middle_is_named(tmp_path, study):
    results = filled(tmp_path / "out", study)
    text = results.path.read_text()
    for damage in ("{\n", "[]\n", '{"setting": 3}\n', "\n"):
        results.path.write_text(damage + text)
        with pytest.raises(DataError, match=r"results.jsonl line 1: expected"):
            Results(tmp_path / "out", study).open(True)
        assert results.path.read_text() == damage + text


def test_results_are_not_written_over_unasked(tmp_path, study):
    filled(tmp_path / "out", study)
    with pytest.raises(TrainingError, match=r"expected a folder without results, .* --resume"):
        Results(tmp_path / "out", study).open(False)


def test_a_setting_with_other_flags_is_refused(tmp_path, study):
    filled(tmp_path / "out", study)
    other = {**STUDY, "settings": {**STUDY["settings"], "clip": {"loss": "clip", "lr": 0.5}}}
    changed = read_study(write(tmp_path, other))
    with pytest.raises(DataError, match="'clip' as the study describes it, found those of other"):
        Results(tmp_path / "out", changed).open(True)
    assert json.loads((tmp_path / "out" / "study.json").read_text()) == STUDY


def test_settings_and_seeds_may_be_added(tmp_path, study):
    filled(tmp_path / "out", study, (1.0, 2.0, 3.0, 4.0))
    more = {**STUDY, "seeds": [0, 1, 2], "settings": {**STUDY["settings"], "filip": {}}}
    results = Results(tmp_path / "out", read_study(write(tmp_path, more)))
    with results:
        results.open(True)
        left = [unit.key for unit in results.study.units() if results.of(unit) is None]
    assert left == [("filip", 0), ("filip", 1), ("clip", 2), ("sparc", 2), ("filip", 2)]


def test_the_last_line_of_a_unit_counts(study):
    unit = next(study.units())
    lines = [record(study, unit, None), record(study, unit, 3.0)]
    lines.append({**record(study, unit, 4.0), "evaluation_hash": "another"})
    assert latest(lines, [unit]) == {unit.key: lines[1]}


def test_two_drivers_are_refused(tmp_path, study, monkeypatch):
    monkeypatch.setattr("csparc.study.results._LOCK_SECONDS", 0.2)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out"), str(tmp_path / "study.json")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert held.stdout.readline() == "held\n"
    with pytest.raises(TrainingError, match="no one runs a study in, found another process"):
        Results(tmp_path / "out", study).open(True)
    held.communicate("")
    with Results(tmp_path / "out", study) as results:
        results.open(True)


def test_a_clock_adds_to_what_was_spent_before(tmp_path):
    path = tmp_path / "clock.json"
    path.write_text('{"training": {"wall_s": 100, "processor_s": 50, "peak_MB": 1}}')
    with Clock(path, "training") as clock:
        time.sleep(0.02)
        clock.next("evaluation")
    spent = json.loads(path.read_text())
    assert spent == clock.spent
    assert spent["training"]["wall_s"] >= 100.02
    assert spent["training"]["processor_s"] >= 50
    assert spent["evaluation"]["wall_s"] < 50
    assert spent["training"]["peak_MB"] == pytest.approx(peak_megabytes(), rel=0.5)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"training": 3}', '{"training": {}}'])
def test_a_damaged_clock_begins_anew(damage, tmp_path):
    path = tmp_path / "clock.json"
    path.write_text(damage)
    with Clock(path, "training") as clock:
        pass
    assert set(clock.spent) == {"training"}


def test_the_commit_is_that_of_the_repository_that_has_the_file(tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    kept, beside = tmp_path / "kept.py", tmp_path / "beside.py"
    kept.write_text("1\n")
    beside.write_text("2\n")
    assert commit_of(kept) == {"commit": None, "changed": None}
    git("init")
    git("add", "kept.py")
    git("commit", "-m", "one")
    found = commit_of(kept)
    assert len(found["commit"]) == 40
    assert found["changed"] is False
    assert commit_of(beside) == {"commit": None, "changed": None}
    kept.write_text("3\n")
    assert commit_of(kept) == {**found, "changed": True}
