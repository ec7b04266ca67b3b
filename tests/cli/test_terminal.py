"""What counts as a terminal, and what the command line shows on one."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from csparc._terminal import is_terminal

WARNING = """
import sys, warnings
from csparc.cli import info, main
info.run = lambda arguments: warnings.warn("cut", stacklevel=1)
sys.exit(main.main(["info"]))
"""


@pytest.fixture
def terminal():
    """(a terminal's own end, the end programs write to)."""
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def resize(slave: int, rows: int, columns: int) -> None:
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.mark.parametrize(
    ("rows", "columns", "expected"), [(24, 80, True), (0, 80, False), (24, 0, False)]
)
def test_a_terminal_has_a_size(rows, columns, expected, terminal) -> None:
    resize(terminal[1], rows, columns)
    with open(terminal[1], "w", closefd=False) as stream:
        assert is_terminal(stream) is expected


def test_files_and_nothing_are_no_terminals(tmp_path) -> None:
    with open(tmp_path / "log", "w") as file:
        assert not is_terminal(file)
    assert not is_terminal(io.StringIO())
    assert not is_terminal(None)


def test_a_warning_does_not_stand_behind_a_bar(terminal) -> None:
    master, slave = terminal
    resize(slave, 24, 80)
    subprocess.run([sys.executable, "-c", WARNING], stderr=slave, check=True, timeout=60)
    assert os.read(master, 1000) == b"\r\x1b[Kcsparc: warning: cut\r\n"
