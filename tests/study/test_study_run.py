"""A study is run to its end through kills of any kind, and its figures are the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from page_examples import BLOCK
from small_study import STUDY, lines, run, start, write

from csparc.cli import main as cli

for needed in ("PIL", "tokenizers", "safetensors", "tqdm"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals to processes")

LONGER = {**STUDY, "common": {**STUDY["common"], "steps": 30, "save-frequency": 2}, "seeds": [0]}
PROVENANCE = {
    "version", "trained_by", "commit", "changed", "isa", "blis", "threads", "data", "steps",
    "examples", "parameters", "training_wall_s", "training_processor_s", "training_peak_MB",
    "evaluation_wall_s", "evaluation_processor_s", "evaluation_peak_MB",
}  # fmt: skip
OWN_TASK = """
from csparc.evaluate import Task, TaskResult, register

@register
class CountPictures(Task):
    name = "count-pictures"
    help = "how many pictures there are"
    main = ("pictures",)

    def run(self, subject):
        return TaskResult({"pictures": len(subject.data)})
"""


def figures(out: Path) -> list:
    return [(one["setting"], one["seed"], one["steps"], one["figures"]) for one in lines(out)]


def steps_logged(out: Path) -> int:
    return sum(log.read_bytes().count(b"\n") for log in out.glob("units/*/run/log.jsonl"))


def wait_for(ready, process) -> None:
    until = time.monotonic() + 300
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The longer study, run by one worker without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    run(write(folder, LONGER), folder / "out", "--workers", "1")
    return folder / "out"


def test_the_page_s_study_runs_and_reports(root, tmp_path, capsys):
    page = (root / "docs" / "study" / "README.md").read_text(encoding="utf-8")
    (text,) = [text for kind, text in BLOCK.findall(page) if kind == "json"]
    path, out = tmp_path / "tiny.json", tmp_path / "tiny"
    path.write_text(text, encoding="utf-8")
    run(path, out)
    found = lines(out)
    assert len(found) == 6
    for record in found:
        assert record["failure"] is None
        assert set(record) >= PROVENANCE
        assert record["examples"] == 24
        assert record["curve"]["every"] == 1
        assert len(record["curve"]["loss"]) == 3
        assert record["figures"]["retrieval"]["chance"]["image_to_text_R@1"] == 12.5
        assert record["training_processor_s"] > 0 < record["training_peak_MB"]
    assert len({record["data"]["training"] for record in found}) == 1
    assert cli.main(["study", "list", str(path), "--out", str(out)]) == 0
    assert f"6 of 6 done, 0 failed, in {out}" in capsys.readouterr().out
    assert cli.main(["study", "report", str(out), "--no-plots"]) == 0
    report = (out / "report" / "report.md").read_text(encoding="utf-8")
    assert "Fewer than five seeds: not evidence" in report
    assert "local − sparc" in report
    before = (out / "results.jsonl").read_bytes()
    run(path, out, "--resume")
    assert (out / "results.jsonl").read_bytes() == before


def test_kill_9_of_the_driver_at_any_time(whole, tmp_path):
    """Three kills, then a line that is cut off; nothing that is done is done again."""
    path, out = write(tmp_path, LONGER), tmp_path / "out"
    for _ in range(3):
        process = start(path, out, "--resume")
        goal = steps_logged(out) + 5
        wait_for(lambda goal=goal: steps_logged(out) >= goal, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with open(out / "results.jsonl", "ab") as file:
        file.write(b'{"study": "sma')
    said = run(path, out, "--resume")
    assert "the last line was cut off" in said
    assert figures(out) == figures(whole)
    told = "".join(each.read_text() for each in out.glob("units/*/said.txt"))
    assert "resuming after step" in told


def test_kill_9_of_a_unit_starts_it_again(whole, tmp_path):
    path, out = write(tmp_path, LONGER), tmp_path / "out"
    process = start(path, out, "--workers", "1")
    wait_for(lambda: steps_logged(out) >= 4, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        process.communicate()
        pytest.skip("needs Linux's list of a process's children")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "clip seed 0: ended by SIGKILL; it is started again" in said
    assert figures(out) == figures(whole)


def test_a_polite_signal_saves_and_says_how_to_go_on(whole, tmp_path):
    path, out = write(tmp_path, LONGER), tmp_path / "out"
    process = start(path, out)
    wait_for(lambda: steps_logged(out) >= 4, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert f"go on with --resume --out {out}" in said
    run(path, out, "--resume")
    assert figures(out) == figures(whole)


def test_a_result_that_was_handed_over_is_collected(whole, tmp_path, capsys):
    """As after a kill between a unit's end and its line."""
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = lines(out)
    (out / "results.jsonl").unlink()
    begun = {each: each.stat().st_mtime_ns for each in out.glob("units/*/said.txt")}
    assert cli.main(["study", "run", str(write(tmp_path, LONGER)), f"--out={out}", "--resume"]) == 0
    assert lines(out) == before
    assert {each: each.stat().st_mtime_ns for each in begun} == begun


def test_another_evaluation_trains_nothing_again(whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    other = {**LONGER, "evaluate": {**LONGER["evaluate"], "tasks": {"recall": "retrieval"}}}
    other["figures"] = []
    run(write(tmp_path, other), out, "--resume")
    again = [record for record in lines(out) if "recall" in record["figures"]]
    assert len(lines(out)) == 4
    assert all(len(record["trained_by"]) == 1 for record in again)
    before = [record["training_wall_s"] for record in lines(whole)]
    assert [record["training_wall_s"] for record in again] == before
    assert [one["figures"]["recall"] for one in again] == [
        one["figures"]["retrieval"] for one in lines(whole)
    ]
    assert all("nothing is left of the 30 steps" in said.read_text()
               for said in out.glob("units/*/said.txt"))  # fmt: skip


def test_a_unit_that_diverges_stays_in_as_a_failure(tmp_path):
    broken = {"loss": "clip", "lr": 1e30, "warmup": 0}
    study = {**STUDY, "seeds": [0], "settings": {"clip": {"loss": "clip"}, "broken": broken}}
    study["comparisons"] = []
    path, out = write(tmp_path, study), tmp_path / "out"
    assert "1 units failed" in run(path, out)
    failed, done = lines(out)
    assert failed["figures"] == {}
    assert "TrainingError: step 2: expected finite numbers" in failed["failure"]["error"]
    assert failed["failure"]["last"]["step"] == 1
    assert failed["failure"]["last"]["loss"] > 0
    assert done["failure"] is None
    run(path, out, "--resume")
    assert len(lines(out)) == 2
    run(path, out, "--retry-failed")
    assert [one["failure"] is None for one in lines(out)] == [False, False, True]


def test_a_fault_of_the_machine_is_no_result(tmp_path):
    """A folder where the unit's run should lie cannot be written: the study ends and says so."""
    path, out = write(tmp_path, {**STUDY, "seeds": [0]}), tmp_path / "out"
    run(path, out, "--setting", "clip")
    (folder,) = out.glob("units/clip-*")
    (folder / "result.json").unlink()
    (out / "results.jsonl").unlink()
    shutil.rmtree(folder / "run")
    (folder / "run").write_text("a file")
    process = start(path, out, "--resume", "--setting", "clip")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "clip seed 0: " in said
    assert "mend that, then --resume" in said
    assert not (out / "results.jsonl").exists()


def test_a_unit_by_itself_leaves_what_a_driver_collects(tmp_path):
    path, out = write(tmp_path, {**STUDY, "seeds": [0]}), tmp_path / "out"
    words = ["--setting", "clip", "--seed", "0", "--out", str(out)]
    assert cli.main(["study", "unit", str(path), *words]) == 0
    (handed,) = out.glob("units/clip-*/result.json")
    assert cli.main(["study", "run", str(path), "--setting", "clip", f"--out={out}"]) == 0
    assert lines(out) == [json.loads(handed.read_text())]


def test_units_know_the_modules_that_were_imported(tmp_path, monkeypatch):
    (tmp_path / "own_task.py").write_text(OWN_TASK)
    study = {**STUDY, "seeds": [0], "figures": []}
    study["evaluate"] = {**STUDY["evaluate"], "tasks": {"own": "count-pictures"}}
    monkeypatch.chdir(tmp_path)
    run(write(tmp_path, study), tmp_path / "out", "--import", "own_task", "--setting", "clip")
    assert [one["figures"] for one in lines(tmp_path / "out")] == [{"own": {"pictures": 8}}]
