"""A task in one Python file is all that the command line, training and its log need.

The file is the example of docs/evaluators.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import small_training
from page_examples import BLOCK, example_file, registered
from small_training import read_log

from csparc.cli import main as cli
from csparc.evaluate import Subject, make_task, tasks

FIGURES = [f"val/modality-gap/{key}" for key in ("gap", "spread.pictures", "spread.captions")]


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "evaluators.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def file(page, tmp_path_factory):
    """The page's example as the file it says."""
    return example_file(page, tmp_path_factory.mktemp("one's own"), "modality_gap")


@pytest.fixture
def toy(file, monkeypatch):
    """The class of the example, registered while a test runs."""
    with registered(file, tasks._CLASSES, "modality-gap", monkeypatch) as module:
        yield module.ModalityGap


def subject(data) -> Subject:
    trainer = small_training.trainer()
    return Subject(trainer.model, trainer.tokenizer, trainer.val_preprocess, data, trainer.loss)


def test_it_computes_from_python(toy):
    found = toy(centre="median").run(subject(small_training.scenes(8, "val")))
    assert make_task("modality-gap:centre=median") == toy(centre="median")
    assert 0 < found.figures["gap"] < 2
    assert toy().main_figures(found.figures) == {
        "gap": found.figures["gap"],
        "spread.pictures": found.figures["spread"]["pictures"],
        "spread.captions": found.figures["spread"]["captions"],
    }
    with pytest.raises(ValueError, match="centre: expected 'mean' or 'median', found 'mode'"):
        toy(centre="mode")


def test_the_command_line_lists_and_explains_it(toy, capsys):
    assert cli.main(["eval"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "modality-gap how far the vectors of pictures lie from those of captions" in printed
    with pytest.raises(SystemExit):
        cli.main(["eval", "modality-gap", "--help"])
    assert "--centre {mean,median} what stands for all vectors" in " ".join(
        capsys.readouterr().out.split()
    )
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert ", ".join(tasks.TASKS) in " ".join(capsys.readouterr().out.split())


def test_a_run_logs_its_figures_and_ends_in_the_same_bits(toy, tmp_path):
    more = {"modality": ("modality-gap",), "plain": ()}
    ends = {
        name: small_training.trainer(tmp_path / name, val_tasks=named).run()
        for name, named in more.items()
    }
    with_it, without = (read_log(tmp_path / name, "validation.jsonl") for name in more)
    assert [record["step"] for record in with_it] == [5, 10, 12]
    for record in with_it:
        assert [key for key in record if key.startswith("val/")] == FIGURES
        assert 0 < record["val/modality-gap/gap"] < 2
    kept = [{k: v for k, v in r.items() if not k.startswith("val/")} for r in with_it]
    assert kept == without
    assert ends["modality"].validation["val/modality-gap/gap"] == with_it[-1][FIGURES[0]]
    assert ends["plain"].validation == {k: v for k, v in without[-1].items() if k != "step"}
    for name in ("last", "best"):
        files = [tmp_path / run / "checkpoints" / f"{name}.safetensors" for run in more]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_the_commands_of_the_page_run_as_printed(page, file, tmp_path):
    """In processes of their own, where nothing but ``--import`` brings the task in."""
    (tmp_path / file.name).write_bytes(file.read_bytes())
    (text,) = [text for kind, text in BLOCK.findall(page) if kind == "sh"]
    scripts = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for line in text.splitlines():
        done = subprocess.run(
            line, cwd=tmp_path, env=environment, shell=True, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert re.search(r"^(val/modality-gap/)?gap +\d", done.stdout, re.MULTILINE), line
    records = read_log(tmp_path / "run", "validation.jsonl")
    assert [record["step"] for record in records] == [2, 4]
    assert {*FIGURES, "val/grounding/gap", "text_to_image_R@1"} <= set(records[-1])
    report = json.loads((tmp_path / "gap.json").read_text(encoding="utf-8"))
    assert list(report) == ["gap", "spread", "config", "bad_items"]
    assert report["config"]["centre"] == "mean"
    assert np.isfinite(report["gap"])
