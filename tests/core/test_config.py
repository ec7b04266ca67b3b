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


@pytest.mark.parametrize("text", ["two", "0", "-1", "1e3", "2000"])
def test_a_number_of_threads_that_is_none_names_the_variable(text: str) -> None:
    answer = imported(CSPARC_NUM_THREADS=text)
    assert answer.returncode == 1
    assert f"CSPARC_NUM_THREADS is '{text}', expected a whole number" in answer.stderr


@pytest.mark.parametrize(("count", "kind"), [(0, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_set_num_threads_names_what_was_given(count: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^count: expected a whole number.*, found "):
        csparc.set_num_threads(count)


def test_very_many_threads_are_1024() -> None:
    csparc.set_num_threads(1 << 70)
    assert csparc.get_num_threads() == 1024


def test_show_config_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    csparc.show_config()
    printed = capsys.readouterr().out
    for key in ("csparc", "blis_version", "blis_context", "isa", "threads"):
        assert key in printed
    assert config.config()["threads"] == csparc.get_num_threads()
