"""A test file, or a part of it, again in a process with other kernels forced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_code(code: str, file: str, environment: dict[str, str]) -> None:
    """Run Python ``code`` that imports the test file ``file`` as a module."""
    paths = [str(Path(file).parent), str(Path(__file__).parent)]
    path = os.pathsep.join([*paths, environment.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", code], env={**environment, "PYTHONPATH": path}, check=True
    )


def run_again(file: str, isa: str, environment: dict[str, str]) -> None:
    """All tests of ``file`` but the one that calls this, which is named every_instruction_set."""
    if subprocess.run([sys.executable, "-c", "import csparc"], env=environment).returncode != 0:
        pytest.skip(f"this processor has no {isa}")
    command = [sys.executable, "-m", "pytest", "-q", "-k", "not every_instruction_set", file]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=Path(file).parent
    )
    assert run.returncode == 0, run.stdout[-3000:]
