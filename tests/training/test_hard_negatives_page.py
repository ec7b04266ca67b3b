"""The page about hard negatives: its call computes, and its table trains by its command."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path

import pytest
import small_training
from page_examples import BLOCK
from pictures import save

from csparc.cli import main as cli

PAGE = Path("docs", "objectives", "hard-negatives.md")


@pytest.fixture
def blocks(root: Path) -> dict[str, str]:
    return dict(BLOCK.findall((root / PAGE).read_text(encoding="utf-8")))


def test_the_call(blocks, capsys):
    exec(blocks["python"], {})
    assert capsys.readouterr().out == "True (5, 16)\n"


def test_the_command_on_the_table(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text(blocks["csv"])
    for number, row in enumerate(csv.DictReader(io.StringIO(blocks["csv"]))):
        save(Path(row["filepath"]), number)
    program, *command = shlex.split(blocks["sh"])
    assert program == "csparc"
    assert cli.main([*command, "--vocab-size", "300"]) == 0
    assert [r["hard_negatives"] for r in small_training.read_log(Path("run"))] == [3, 3]
