"""The page of runs shows every figure that was recorded, every curve, and loads nothing."""

import json
import re

import numpy as np
import pytest
import small_training
from page_outline import Outline

from csparc.cli import main as cli
from csparc.demo.page.lines import Line, lines_chart
from csparc.errors import DataError
from csparc.evaluate.encode import Features
from csparc.report.confusion import counted
from csparc.report.overlays import colour_of, overlaid
from csparc.report.page import by_task, render
from csparc.report.pictures import extremes
from csparc.report.runs import Evaluation, Run, evaluations, read_runs

DATA = "scenes:tier=S;size=8;split=test"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    for name, loss in (("one", "sparc"), ("two", "clip")):
        small_training.trainer(root / name, loss, steps=6).run()
    line = ["eval", "all", "--checkpoint", str(root / "one"), "--data", DATA, "--bootstrap", "5",
            "--json", str(root / "one" / "eval.json")]  # fmt: skip
    assert cli.main(line) == 0
    return root


def test_figures_found_in_folders_are_laid_side_by_side(runs, capsys):
    out = runs / "page.html"
    assert cli.main(["report", str(runs / "one"), str(runs / "two"), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert not re.search(r'<script|(href|src)="(?!data:)', page)
    record = json.loads((runs / "one" / "eval.json").read_text())
    found = record["tasks"]["retrieval"]["measured"]["text_to_image_R@1"]
    assert f"<b>{found['value']:.1f} %</b>" in page
    assert "95 % interval" in page
    assert {f'id="task-{name}"' in page for name in record["tasks"]} == {True}
    charts = [attributes for tag, attributes in Outline(page).tags if tag == "svg"]
    assert any("one" in c["aria-label"] and "two" in c["aria-label"] for c in charts)


def test_with_data_every_run_is_evaluated_and_shown(runs):
    out = runs / "data.html"
    line = ["report", str(runs / "one"), str(runs / "two"), "--data", DATA, "--out", str(out)]
    assert cli.main(line) == 0
    page = out.read_text(encoding="utf-8")
    assert page.count('<article class="search">') == 2 * 6
    assert page.count('<article class="alignment">') == 2 * 3
    assert page.count('<div class="panels segmented">') == 4
    assert page.count('<table class="confusion">') == 2 * 2
    head = page[page.index('id="task-zeroshot"') :]
    assert '<th scope="col">one</th><th scope="col">two</th>' in head


def test_what_is_no_run_is_refused(tmp_path, capsys):
    with pytest.raises(DataError, match="expected the folder of a run"):
        read_runs([str(tmp_path)])
    assert cli.main(["report", str(tmp_path), "--out", str(tmp_path / "x.html")]) == 2
    assert not (tmp_path / "x.html").exists()


def test_runs_are_called_by_what_differs(tmp_path):
    for name in ("a/run", "b/run"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    both = [str(tmp_path / "a" / "run"), str(tmp_path / "b" / "run")]
    assert [run.name for run in read_runs(both)] == ["a/run", "b/run"]
    assert [run.name for run in read_runs(both[:1])] == ["run"]
    assert [run.name for run in read_runs([both[0], both[0]])] == ["1: run", "2: run"]


def test_files_that_are_no_evaluation_are_left_alone(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "other.json").write_text('{"tasks": 3}')
    one = {"measured": {"x": {"value": 1.0}}, "config": {"data": "d"}}
    (tmp_path / "zeroshot.json").write_text(json.dumps(one))
    assert evaluations(tmp_path) == [Evaluation("zeroshot", "d", {"x": {"value": 1.0}})]


def test_figures_of_different_data_are_different_tables(tmp_path):
    first = Run("a", tmp_path, evaluations=[Evaluation("t", "one", {"x": {"value": 1.0}})])
    figures = {"<x>": {"value": None, "chance": 5.0}, "bare": {"value": 3.0, "chance": None}}
    other = Run("b", tmp_path, evaluations=[Evaluation("t", "two", figures)])
    assert list(by_task([first, other])) == [("t", "one"), ("t", "two")]
    page = render([first, other])
    assert "&lt;x&gt;" in page
    assert "<x>" not in page
    assert "bare" not in page  # nothing is shown without its chance


def test_the_best_and_the_worst_are_of_different_pictures():
    images = np.eye(4)
    texts = np.array([[9, 1, 0, 0], [9, 0, 0, 1], [0, 9, 0, 1], [1, 2, 3, 0], [4, 3, 2, 1.0]])
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    index = np.array([0, 0, 1, 2, 3])
    found = Features(images, texts, index, np.arange(4), ["a", "b", "c", "d", "e"])
    best, worst = extremes(found, 2)
    assert best == [0, 2]
    assert worst == [4, 3]


def test_a_matrix_counts_by_row_what_is_there():
    found = counted("x", ["a", "b", "c"], np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0]))
    assert found.counts.tolist() == [[1, 0, 1], [1, 2, 0], [0, 0, 0]]


def test_pixels_of_a_class_have_its_colour_and_others_stay():
    picture = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    drawn = overlaid(picture, np.array([[0, 2, -1]]))
    assert drawn[0, 0].tolist() == drawn[0, 2].tolist() == [200, 100, 0]
    expected = 0.4 * 100 + 0.6 * np.array(colour_of(2))
    assert np.abs(drawn[0, 1] - expected).max() <= 0.5
    assert len({colour_of(label) for label in range(1, 60)}) == 59


def test_a_chart_of_several_curves_has_one_range():
    lines = [Line("a", 0, np.array([0, 10.0]), np.array([1.0, 3.0])),
             Line("b", 1, np.array([5.0]), np.array([2.0]))]  # fmt: skip
    drawn = lines_chart("loss", lines)
    points = re.findall(r'points="([^"]*)"', drawn)
    (left, low), (right, high) = (map(float, p.split(",")) for p in points[0].split())
    x, y = map(float, points[1].split(","))
    assert x == pytest.approx((left + right) / 2, abs=0.1)
    assert y == pytest.approx((low + high) / 2, abs=0.1)
    assert 'aria-label="loss: a 3 at step 10, b 2 at step 5"' in drawn
