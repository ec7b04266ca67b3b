"""A figure is recorded with what it is over and its chance, and printed only beside its chance."""

import json
import math

import numpy as np
import pytest

from csparc.cli import main as cli
from csparc.evaluate import Figure, Task, TaskResult, register, tasks
from csparc.evaluate.figure import figure_lines, plain, share


@pytest.fixture(autouse=True)
def _same_tasks():
    before = dict(tasks._CLASSES)
    yield
    tasks._CLASSES.clear()
    tasks._CLASSES.update(before)


def test_a_share_is_the_mean_of_its_items():
    found = share([True, False, True, True], 25.0, k=1)
    assert (found.value, found.n, found.chance) == (75.0, 4, 25.0)
    assert found.statistic(found.items) == found.value
    assert found.record() == {"value": 75.0, "n": 4, "chance": 25.0, "config": {"k": 1}}
    assert math.isnan(share([], 25.0).value)


def test_a_record_has_null_where_there_is_no_number():
    figures = {"empty": Figure(math.nan, 0, None), "plain": math.nan, "deep": {"x": 1.5}}
    assert plain(figures) == {
        "empty": {"value": None, "n": 0, "chance": None, "config": {}},
        "plain": None, "deep": {"x": 1.5},
    }  # fmt: skip
    json.dumps(plain({"x": Figure(np.float64(1), np.int64(2), 3)}), allow_nan=False)


def test_nothing_is_printed_without_its_chance():
    figures = {"known": share([1, 0], 10.0), "unknown": share([1], None), "n": 7,
               "of": {"part": Figure(0.25, 4, 0.5, unit="")}}  # fmt: skip
    head, *lines = figure_lines(figures)
    assert head.split() == ["found", "chance", "items"]
    assert [line.split() for line in lines] == [
        ["known", "50.00", "%", "10.00", "%", "2"], ["of", "part", "0.25", "0.50", "4"],
    ]  # fmt: skip
    assert figure_lines({"n": 7}) == []


def test_a_task_gives_figures_to_its_lines_its_record_and_training(tmp_path, capsys):
    @register
    class Coin(Task):
        name = "coin"
        help = "one coin"
        needs = ()
        main = ("heads", "of.none", "unknown")

        def run(self, subject):
            return TaskResult(
                {"heads": share([1, 0], 50.0), "of": {"none": Figure(math.nan, 0, 1.0)}}
            )

    report = tmp_path / "report.json"
    assert cli.main(["eval", "coin", "--json", str(report)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "heads"
    assert json.loads(report.read_text())["heads"]["chance"] == 50.0
    assert Coin().main_figures(Coin().run(None).figures) == {"heads": 50.0}
