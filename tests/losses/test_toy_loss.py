"""A loss in one Python file is all that training, logs, cost, pictures, help and docs need.

The file is the example of docs/adding-a-loss.md; checkpoints hold it too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import small_training
from differences import check_gradients
from page_examples import BLOCK, example_file, registered
from small_training import read_log

from csparc.checkpoint.checkpoint import read_checkpoint
from csparc.cli import main as cli
from csparc.cli.session import load_session
from csparc.cost.measured import measure_loss
from csparc.cost.memory import estimate_memory
from csparc.losses import registry

pytest.importorskip("matplotlib")
SCENES = "scenes:tier=S;size=40"


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "adding-a-loss.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def file(page, tmp_path_factory):
    """The page's example as the file it says."""
    return example_file(page, tmp_path_factory.mktemp("one's own"), "margin_loss")


@pytest.fixture
def toy(file, monkeypatch):
    """The class of the example, registered while a test runs."""
    with registered(file, registry._CLASSES, "margin", monkeypatch) as module:
        yield module.MarginLoss


def command(*arguments: str) -> int:
    """``csparc`` on its command line, in this process, where the toy is registered."""
    return cli.main([str(argument) for argument in arguments])


def train(out, *more: str) -> int:
    given = f"--train-data {SCENES} --model nano --batch-size 8 --vocab-size 300 --steps 8"
    return command("train", "--loss", "margin", "--out", out, *given.split(), *more)


# Training ----------------------------------------------------------------------------------------


def test_its_gradients_are_those_of_its_value(toy, rng):
    loss = toy(margin=0.3)
    given = {"image_global": rng.normal(size=(5, 7)), "text_global": rng.normal(size=(5, 7))}
    given["logit_scale"] = np.float64(6.0)
    grads = loss(**given, grad=True).grads
    check_gradients(lambda **moved: loss(**moved).loss, given, grads)


def test_it_trains_by_its_name_and_logs_its_parts(toy, tmp_path):
    result = small_training.trainer(tmp_path, loss="margin", steps=60, val_data=None).run()
    log = read_log(tmp_path)
    assert result.counters.step == 60
    assert np.mean([r["loss"] for r in log[-10:]]) < 0.9 * np.mean([r["loss"] for r in log[:5]])
    for record in log:
        assert list(record)[:7] == [
            "step", "loss", "global_loss", "local_loss", "prototype_loss", "caption_loss",
            "picture_loss",
        ]  # fmt: skip
        assert record["loss"] == pytest.approx(record["caption_loss"] + record["picture_loss"])
        assert record["caption_loss"] > 0
        assert record["global_loss"] == 0


def test_a_run_of_the_command_line_is_resumed_to_the_bit(toy, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, "--loss-opt", "margin=0.5", "--save-frequency", "2") == 0
    with small_training.failing_at(6, KeyboardInterrupt):
        assert train(parts, "--loss-opt", "margin=0.5", "--save-frequency", "2") == 130
    settings = ("--loss-opt", "margin=0.5", "--save-frequency", "2", "--resume", "latest")
    assert train(parts, *settings) == 0
    saved = [folder / "checkpoints" / "last.safetensors" for folder in (whole, parts)]
    assert saved[0].read_bytes() == saved[1].read_bytes()
    assert read_log(whole) == read_log(parts)
    assert read_checkpoint(saved[0]).metadata.loss_config == {"loss": "margin", "margin": 0.5}


def test_duplicates_are_refused_for_a_loss_without_groups(toy):
    with pytest.raises(ValueError, match="'allow' or 'avoid' with margin, which takes no groups"):
        small_training.trainer(loss="margin", duplicates="exclude")
    with pytest.raises(ValueError, match="groups: expected None, Margin takes no groups"):
        toy()(image_global=np.eye(2), text_global=np.eye(2), groups=[0, 0])


# What is said of it ------------------------------------------------------------------------------


def test_help_and_info_list_it(toy, capsys):
    assert command("info", "--loss", "margin") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("margin: margin_loss.MarginLoss\n")
    assert "  picture_loss: pictures against the captions of other pairs\n" in printed
    assert "  margin=0.2   or a number\n" in printed
    assert "How much more alike than others a pair is to be. paper: 0.2." in printed
    for name in ("train", "demo", "info"):
        with pytest.raises(SystemExit):
            command(name, "--help")
        assert "clip+filip+words, margin" in " ".join(capsys.readouterr().out.split())


def test_the_tables_of_the_documentation_know_it(toy, root):
    spec = importlib.util.spec_from_file_location("tables", root / "docs" / "write_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    place = "<!-- options of margin, by docs/write_tables.py -->\n<!-- end -->"
    assert tables.with_tables(place).splitlines()[1:-1] == [
        "| option, default first | what it is | the paper |",
        "| --- | --- | --- |",
        "| `margin=0.2`, a number | How much more alike than others a pair is to be. | 0.2 |",
    ]


def test_it_is_costed_by_formula_and_measured(toy, tmp_path, capsys):
    sizes = (256, 4, 4, 64)
    held = measure_loss("margin", *sizes).bytes
    assert held == pytest.approx(estimate_memory("margin", *sizes), rel=0.2)
    drawn = tmp_path / "cost.png"
    given = ["--loss", "margin", "--model", "nano", "--batch", "16,64", "--plot", str(drawn)]
    assert command("cost", *given) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| margin")]
    assert len(rows) == 6  # four tables of one machine, two of the paper's way
    assert sum("-" in row.replace("-0.0", "") for row in rows) == 1  # memory on a device: not said
    assert drawn.stat().st_size > 0
    assert command("cost", *given, "--measured") == 0


def test_a_loss_that_says_nothing_of_its_cost_has_dashes_and_can_be_measured(toy, tmp_path, capsys):
    for method in ("flop", "forward_flop", "stages"):
        delattr(toy, method)
    drawn = str(tmp_path / "cost.png")
    given = ["--loss", "clip,margin", "--model", "nano", "--batch", "16,64", "--plot", drawn]
    for more in ([], ["--measured"]):
        assert command("cost", *given, *more) == 0
        rows = [x for x in capsys.readouterr().out.splitlines() if x.startswith("| margin")]
        assert rows
        assert any(" - " in row or "(-)" in row for row in rows)
    with pytest.raises(ValueError, match="margin: expected a loss that says what it holds"):
        estimate_memory("margin", 4, 4, 4, 4)


def test_its_checkpoint_is_measured_drawn_and_shown(toy, tmp_path, capsys):
    from PIL import Image

    from csparc.viz import plot_curves
    from csparc.viz import read_log as log_of

    run = tmp_path / "run"
    assert train(run) == 0
    report = tmp_path / "grounding.json"
    data = ("--data", "scenes:tier=S;size=12;split=test")
    assert command("eval", "grounding", "--checkpoint", run, *data, "--json", report) == 0
    weights = json.loads(report.read_text(encoding="utf-8"))["weights"]
    assert (weights["rule"], weights["title"]) == ("margin", "Margin: cosine of each word")
    assert command("eval", "retrieval", "--checkpoint", run, *data) == 0
    assert command("eval", "retrieval", "--checkpoint", run, *data, "--score", "own") == 2
    assert "found margin, which trains vectors of the whole" in capsys.readouterr().err
    picture, drawn = tmp_path / "in.png", tmp_path / "out.svg"
    Image.new("RGB", (20, 60), (200, 30, 30)).save(picture)
    words = ("--image", picture, "--caption", "a red circle", "--out", drawn)
    assert command("align", "--checkpoint", run, *words) == 0
    assert drawn.stat().st_size > 0
    titles = [axes.get_title(loc="left") for axes in plot_curves(log_of(run / "log.jsonl")).axes]
    assert titles[:3] == ["loss", "caption loss", "picture loss"]


def test_the_demos_page_speaks_of_it(toy, root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "tests" / "pictures"))
    from page_figures import GROUNDING
    from page_outline import Outline
    from test_page import result

    from csparc.demo.page.page import render

    log = [{"step": i, "caption_loss": 1 / i, "picture_loss": 2 / i} for i in range(1, 9)]
    page = "".join(Outline(render(result(loss="margin", grounding=GROUNDING, log=log))).text)
    assert "Caption loss captions against the pictures of other pairs" in page
    assert "No published figure of Margin can be checked by this run" in page


def test_without_its_module_a_checkpoint_still_serves(toy, tmp_path):
    assert train(tmp_path / "run") == 0
    assert load_session(tmp_path / "run").loss.config()["loss"] == "margin"
    del registry._CLASSES["margin"]
    session = load_session(tmp_path / "run")
    assert session.loss is None
    assert session.model.config.global_pool == "text"


def test_the_commands_of_the_page_run_as_printed(page, file, tmp_path):
    """In processes of their own, where nothing but ``--import`` brings the loss in."""
    (tmp_path / file.name).write_bytes(file.read_bytes())
    (text,) = [text for kind, text in BLOCK.findall(page) if kind == "sh"]
    scripts = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for line in text.splitlines():
        done = subprocess.run(
            line, cwd=tmp_path, env=environment, shell=True, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "argin" in done.stdout or "run" in done.stdout, line


def test_a_module_that_cannot_be_imported_is_named(capsys):
    with pytest.raises(SystemExit):
        command("--import", "no_such_module", "info", "--loss", "sparc")
    said = capsys.readouterr().err
    assert "--import: expected a module, found 'no_such_module': ModuleNotFoundError" in said
    assert said.count("\n") == 1
