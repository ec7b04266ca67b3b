"""Weights copied once for many products.

A product with a large weight copies it, a part at a time, in the order that its kernels read it,
and in bfloat16 rounds it, too. Few rows are less work than the copy. Where a weight stays as it is
from call to call, the whole copy can be kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from csparc import _core
from csparc.nn.parameter import Panels, Parameter

_lock = threading.Lock()


@contextmanager
def prepacked(parameters: Iterable[Parameter]) -> Iterator[None]:
    """While this context is open, linear maps keep a copy of each weight among ``parameters`` from
    the first time they read it, and all of ``parameters`` are read-only. Of several such contexts,
    in one thread or in more, the last to close ends it."""
    held, context = list(parameters), object()
    try:
        for parameter in held:
            _open(parameter, context)
        yield
    finally:
        for parameter in held:
            _close(parameter, context)


def _open(parameter: Parameter, context: object) -> None:
    with _lock:
        if parameter.panels is None:
            parameter.panels = Panels(parameter.data.flags.writeable)
        parameter.panels.contexts.add(context)
        parameter.data.flags.writeable = False


def _close(parameter: Parameter, context: object) -> None:
    with _lock:
        panels = parameter.panels
        if panels is None:
            return
        panels.contexts.discard(context)
        if not panels.contexts:
            parameter.panels = None
            parameter.data.flags.writeable = panels.writeable


def panels_of(weight: Parameter, kernel: np.ndarray) -> np.ndarray | None:
    """The copy of a weight [M,K], the data of ``weight``, for `linear_forward`; None: it has none,
    or the products of its size need none."""
    # Where another thread ends this meanwhile, what it has made stays with the Panels that ended.
    panels = weight.panels
    if panels is None:
        return None
    copy = panels.copy
    if copy is None:
        words = np.zeros(1, np.uint64)
        _core.linear_panels(kernel, weight.rounded, words)
        copy = np.empty(int(words[0]), np.uint32)
        _core.linear_prepack(kernel, weight.rounded, copy)
        panels.copy = copy
    return copy if copy.size else None
