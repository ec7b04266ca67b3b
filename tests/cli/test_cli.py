"""The command line: help, exit codes, one-line errors, interrupts, pipes."""

import os
import re
import subprocess
import sys

import pytest

from csparc.cli import main as cli
from csparc.errors import DataError

COMMANDS = [
    "demo",
    "train",
    "eval",
    "eval retrieval",
    "eval grounding",
    "align",
    "encode",
    "convert",
    "study",
    "study run",
    "study list",
    "study unit",
    "study report",
    "cost",
    "info",
]
READS = ["eval retrieval --json x.json", "eval grounding --json x.json", "encode --out x.npz"]


def test_no_arguments_print_the_help(capsys):
    assert cli.main([]) == 0
    printed = capsys.readouterr().out
    assert all(command.split()[0] in printed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*command.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: csparc {command}" in capsys.readouterr().out


def test_eval_alone_prints_its_tasks(capsys):
    assert cli.main(["eval"]) == 0
    assert "retrieval" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert re.fullmatch(r"csparc \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from csparc.cli.main import main; main([]);"
        "heavy = {'PIL', 'matplotlib', 'tokenizers', 'safetensors', 'tqdm'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["encode"],
        ["convert", "in", "out"],
        ["convert", "in", "out", "--to", "torch"],
        ["demo", "--steps", "0"],
        ["demo", "--quick", "--minutes", "3"],
        ["train", "--train-data", "x", "--out", "y"],
        ["demo", "--minutes", "nan"],
        ["eval", "retrieval", "--checkpoint", "c", "--data", "d", "--max-bad", "1.5"],
    ],
)
def test_wrong_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            DataError("table.csv: expected a\ncolumn 'title'"),
            "table.csv: expected a column 'title'",
        ),
        (FileNotFoundError(2, "No such file", "x.png"), "x.png: No such file"),
        (ImportError("this needs PIL: pip install 'csparc[train]'"), "pip install 'csparc[train]'"),
        (ValueError("steps: expected at least 1, found 0"), "steps: expected at least 1, found 0"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(error, line, capsys, monkeypatch):
    def fail(arguments):
        raise error

    monkeypatch.setattr("csparc.cli.info.run", fail)
    assert cli.main(["info"]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("csparc: ")
    assert line in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("arguments", [["--debug", "info"], ["info", "--debug"]])
def test_debug_lets_the_error_through(arguments, monkeypatch):
    def fail(arguments):
        raise DataError("broken")

    monkeypatch.setattr("csparc.cli.info.run", fail)
    with pytest.raises(DataError):
        cli.main(arguments)


def test_a_bug_is_not_hidden(monkeypatch):
    def fail(arguments):
        raise AttributeError("a bug")

    monkeypatch.setattr("csparc.cli.info.run", fail)
    with pytest.raises(AttributeError):
        cli.main(["info"])


def test_interrupt_exits_with_130(capsys, monkeypatch):
    def fail(arguments):
        raise KeyboardInterrupt("go on with --resume latest")

    monkeypatch.setattr("csparc.cli.info.run", fail)
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "csparc: interrupted: go on with --resume latest\n"


def test_a_reader_that_leaves_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "csparc", "info"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.parametrize("command", READS)
def test_a_missing_folder_for_the_result_is_told_before_any_work(command, tmp_path, capsys):
    words = command.split()
    words[-1] = str(tmp_path / "no-such-folder" / words[-1])
    assert cli.main([*words, "--checkpoint", "c", "--data", "scenes:"]) == 2
    assert "no-such-folder: expected an existing folder" in capsys.readouterr().err
