"""Weights copied once for many products.

A product with a large weight copies it, a part at a time, in the order that its kernels read it,
and in bfloat16 rounds it, too. Few rows are less work than the copy. Where a weight stays as it is
from call to call, the whole copy can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from csparc import _core
from csparc.nn.parameter import Parameter


@contextmanager
def prepacked(parameters: Iterable[Parameter]) -> Iterator[None]:
    """While this context is open, linear maps keep a copy of each weight among ``parameters`` from
    the first time they read it, and all of ``parameters`` are read-only."""
    held = [parameter for parameter in parameters if not parameter.prepacks]
    were_writeable = [parameter.data.flags.writeable for parameter in held]
    try:
        for parameter in held:
            parameter.prepacks = True
            parameter.data.flags.writeable = False
        yield
    finally:
        for parameter, writeable in zip(held, were_writeable):
            parameter.prepacks = False
            parameter.panels = None
            parameter.data.flags.writeable = writeable


def panels_of(weight: Parameter, kernel: np.ndarray) -> np.ndarray | None:
    """The copy of a weight [M,K], the data of ``weight``, for `linear_forward`; None: it has none,
    or the products of its size need none."""
    if not weight.prepacks:
        return None
    panels = weight.panels
    if panels is None:
        words = np.zeros(1, np.uint64)
        _core.linear_panels(kernel, weight.rounded, words)
        panels = np.empty(int(words[0]), np.uint32)
        _core.linear_prepack(kernel, weight.rounded, panels)
        weight.panels = panels
    return panels if panels.size else None
