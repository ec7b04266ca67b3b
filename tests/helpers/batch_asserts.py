"""Batches of loaders, compared."""

from __future__ import annotations

import numpy as np


def assert_same(some: list[dict], others: list[dict]) -> None:
    """The same batches: as many, of the same parts, of the same numbers."""
    assert len(some) == len(others)
    for one, other in zip(some, others):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
