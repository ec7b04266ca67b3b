"""The command line before the package is loaded: what stops it there is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

START = "import sys, csparc_command; sys.exit(csparc_command.main())"
INTERRUPT = """
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "csparc":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
"""


def start(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_starts_there() -> None:
    (command,) = entry_points(group="console_scripts", name="csparc")
    assert command.value == "csparc_command:main"
    assert start(START, "--version").stdout.startswith("csparc ")


def test_an_interrupt_while_the_package_loads_is_one_line() -> None:
    done = start(INTERRUPT + START, "info")
    assert done.returncode == 130
    assert done.stderr == "csparc: interrupted\n"


@pytest.mark.parametrize("variable", ["CSPARC_ISA", "CSPARC_BLIS_CONTEXT", "CSPARC_NUM_THREADS"])
def test_a_choice_that_does_not_exist_is_one_line(variable: str) -> None:
    done = start(START, "info", **{variable: "nonsense"})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"csparc: {variable} is 'nonsense'")


def test_debug_shows_where() -> None:
    assert "Traceback" in start(START, "info", "--debug", CSPARC_ISA="nonsense").stderr
