"""What is chosen when the core is loaded, and how the environment changes it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import csparc
from csparc import config


def imported(**environment: str) -> subprocess.CompletedProcess[str]:
    program = "from csparc.config import config; c = config(); print(c['isa'], c['threads'])"
    clean = {k: v for k, v in os.environ.items() if k not in ("CSPARC_NUM_THREADS", "CSPARC_ISA")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"CSPARC_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "5"}, "5"),
        ({"OMP_NUM_THREADS": "4,2"}, "4"),
        ({"CSPARC_NUM_THREADS": "2", "OMP_NUM_THREADS": "5"}, "2"),
    ],
)
def test_threads_from_environment(environment: dict[str, str], threads: str) -> None:
    assert imported(**environment).stdout.split()[1] == threads


def test_forced_instruction_set() -> None:
    assert imported(CSPARC_ISA="portable").stdout.split()[0] == "portable"


@pytest.mark.parametrize("variable", ["CSPARC_ISA", "CSPARC_BLIS_CONTEXT"])
def test_unknown_choice_names_the_variable(variable: str) -> None:
    answer = imported(**{variable: "abacus"})
    assert answer.returncode == 1
    assert f"{variable} is 'abacus'" in answer.stderr


def test_show_config_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    csparc.show_config()
    printed = capsys.readouterr().out
    for key in ("csparc", "blis_version", "blis_context", "isa", "threads"):
        assert key in printed
    assert config.config()["threads"] == csparc.get_num_threads()
