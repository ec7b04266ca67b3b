"""Shared by all tests: which csparc is tested, seeded draws, the thread count put back, and the
modules of benchmarks/."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import csparc

# From the repository root, the folder of C sources imports as an empty namespace package.
assert getattr(csparc, "__file__", None), "csparc is not installed: pip install -e '.[test]'"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's own name, so that a failure repeats wherever its file is."""
    name = request.node.nodeid.rpartition("/")[2]
    return np.random.default_rng(list(f"tests/{name}".encode()))


@pytest.fixture(autouse=True)
def _same_threads():
    before = csparc.get_num_threads()
    yield
    csparc.set_num_threads(before)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository, for tests that read its sources."""
    return Path(__file__).resolve().parent.parent


BENCHMARKS = (
    "results", "plot", "docs_tables", "found", "model_tables",
    "caption_cases", "peers", "sparc_cases", "objective_batches", "harness",
    "memory", "objective_forms", "bench_largest",
)  # fmt: skip


@pytest.fixture
def benchmarks(root, monkeypatch):
    """The modules of benchmarks/ by name, which import one another as scripts do."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield {name: importlib.import_module(name) for name in BENCHMARKS}
    for name in BENCHMARKS:
        sys.modules.pop(name, None)
