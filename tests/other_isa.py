"""A test file again, in a process with other kernels forced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run_again(file: str, isa: str, environment: dict[str, str]) -> None:
    """All tests of ``file`` but the one that calls this, which is named every_instruction_set."""
    if subprocess.run([sys.executable, "-c", "import csparc"], env=environment).returncode != 0:
        pytest.skip(f"this processor has no {isa}")
    command = [sys.executable, "-m", "pytest", "-q", "-k", "not every_instruction_set", file]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=Path(file).parent
    )
    assert run.returncode == 0, run.stdout[-3000:]
