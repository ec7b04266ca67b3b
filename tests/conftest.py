"""Shared by all tests: which csparc is tested, seeded draws, and the thread count put back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import csparc

# From the repository root, the folder of C sources imports as an empty namespace package.
assert getattr(csparc, "__file__", None), "csparc is not installed: pip install -e '.[test]'"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's own name, so that a failure repeats."""
    return np.random.default_rng(list(request.node.nodeid.encode()))


@pytest.fixture(autouse=True)
def _same_threads():
    before = csparc.get_num_threads()
    yield
    csparc.set_num_threads(before)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository, for tests that read its sources."""
    return Path(__file__).resolve().parent.parent
