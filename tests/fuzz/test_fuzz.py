"""Thousands of damaged files and odd arguments are used or refused, and none ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz_planted
import fuzz_runs
import pytest

SEED = 1
COUNTS = {
    "readers": 1500, "benchmarks": 500, "measures": 1500, "checkpoints": 300, "arrays": 2000,
    "numbers": 3000,
}  # fmt: skip
"""Cases of each generator: about ten seconds."""
LEAST = 0.02
"""The share that must be taken, and that must be refused: else a generator tests one side only."""


@pytest.mark.parametrize("name", fuzz_runs.GENERATORS)
def test_nothing_is_wrong(name: str) -> None:
    outcome = fuzz_runs.run(name, SEED, 0, COUNTS[name])
    assert not outcome.wrong, "\n".join(outcome.reports(name, SEED)[:10])
    assert sum(outcome.counts.values()) == COUNTS[name]
    for kind in (fuzz_runs.TAKEN, fuzz_runs.REFUSED):
        assert outcome.counts[kind] > LEAST * COUNTS[name], outcome.counts


def test_every_kind_of_fault_is_seen_and_the_run_goes_on() -> None:
    outcome = fuzz_runs.run("planted", fuzz_planted.SEED, 0, 8, longest=3)
    assert outcome.counts == {fuzz_runs.TAKEN: 2, fuzz_runs.REFUSED: 1}
    said = ["said to be wrong", "Fatal Python error: Aborted", "Timeout", "MiB of memory", "KeyErr"]
    assert list(outcome.wrong) == [1, 2, 3, 4, 5]
    for text, expected in zip(outcome.wrong.values(), said):
        assert expected in text


def test_a_finding_is_repeated_by_the_command_it_names() -> None:
    here = Path(__file__).parent
    command = [sys.executable, here, "--case", "planted:1", "--seed", str(fuzz_planted.SEED)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "--case planted:1 --seed 5" in ran.stdout
    command[3] = "planted:0"
    assert subprocess.run(command, capture_output=True).returncode == 0
