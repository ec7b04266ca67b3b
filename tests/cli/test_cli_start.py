"""The command line before the package is loaded: what stops it there is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

START = "import sys, csparc_command; sys.exit(csparc_command.main())"
STARTS = {"csparc": ["-c", START], "python -m csparc": ["-m", "csparc"]}
INTERRUPT = """
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "{module}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
"""


def start(words: list[str], *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_starts_there() -> None:
    (command,) = entry_points(group="console_scripts", name="csparc")
    assert command.value == "csparc_command:main"
    assert start(STARTS["csparc"], "--version").stdout.startswith("csparc ")


@pytest.mark.parametrize("module", ["numpy", "csparc._core", "csparc.cli.main", "csparc.errors"])
@pytest.mark.parametrize("how", STARTS)
def test_an_interrupt_while_the_package_loads_is_one_line(how, module, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT.format(module=module))
    done = start(STARTS[how], "info", PYTHONPATH=str(tmp_path))
    assert done.returncode == 130
    assert done.stderr == "csparc: interrupted\n"


@pytest.mark.parametrize("variable", ["CSPARC_ISA", "CSPARC_BLIS_CONTEXT", "CSPARC_NUM_THREADS"])
@pytest.mark.parametrize("how", STARTS)
def test_a_choice_that_does_not_exist_is_one_line(how: str, variable: str) -> None:
    done = start(STARTS[how], "info", **{variable: "nonsense"})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"csparc: {variable} is 'nonsense'")


def test_what_a_variable_holds_does_not_steer_the_terminal() -> None:
    done = start(STARTS["csparc"], "info", CSPARC_ISA="\x1b[31mred")
    assert done.stderr.startswith(r"csparc: CSPARC_ISA is '\x1b[31mred'")


@pytest.mark.parametrize("how", STARTS)
def test_a_warning_of_the_import_is_one_line(how: str) -> None:
    done = start(STARTS[how], "--version", CSPARC_NUM_THREADS="1024")
    assert done.returncode == 0
    assert done.stderr.startswith("csparc: warning: CSPARC_NUM_THREADS asks for 1024 threads")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("how", STARTS)
def test_debug_shows_where(how: str) -> None:
    assert "Traceback" in start(STARTS[how], "info", "--debug", CSPARC_ISA="nonsense").stderr


@pytest.mark.parametrize(
    "words",
    [["-c", "import csparc", "-m", "csparc"], ["-m", "other", "csparc"]],
    ids=["import csparc", "python -m another"],
)
def test_a_program_that_imports_the_package_gets_the_error(words, tmp_path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").write_text("import csparc\n")
    done = start(words, CSPARC_ISA="nonsense", PYTHONPATH=str(tmp_path))
    assert "Traceback" in done.stderr
    assert "ImportError: CSPARC_ISA is 'nonsense'" in done.stderr
