"""A short run on pictures, whose towers the features of these tests are of."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_training


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> Path:
    """The folder of the run."""
    out = tmp_path_factory.mktemp("towers") / "run"
    small_training.trainer(out, "clip", steps=2, val_data=None).run()
    return out
