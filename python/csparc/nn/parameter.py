"""Trained arrays."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc import _random
from csparc._repr import line


class TooManyParameters(ValueError):
    """Parameters that were made within `at_most` are more than it allows."""


@dataclass
class _Allowance:
    nbytes: int
    arrays: int


_allowance: ContextVar[_Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def at_most(nbytes: int, arrays: int) -> Iterator[None]:
    """While this context is open, `Parameter` makes no more than so many arrays of so many bytes
    in all, and takes no memory for those beyond.

    Raises
    ------
    TooManyParameters
        From the first that goes beyond.
    """
    token = _allowance.set(_Allowance(nbytes, arrays))
    try:
        yield
    finally:
        _allowance.reset(token)


def _take(shape: tuple[int, ...], dtype: np.dtype) -> None:
    left = _allowance.get()
    if left is None:
        return
    left.arrays -= 1
    left.nbytes -= math.prod(shape) * np.dtype(dtype).itemsize
    if left.arrays < 0 or left.nbytes < 0:
        raise TooManyParameters("more or larger parameters than allowed")


@dataclass
class Panels:
    """What linear layers read in place of a weight while it is prepacked (`csparc.nn.prepacked`).

    ``writeable`` says whether its data could be written before; ``contexts`` are those that are
    open; ``copy`` is made at the first use.
    """

    writeable: bool
    contexts: set[object] = field(default_factory=set)
    copy: np.ndarray | None = None

    def __repr__(self) -> str:
        size = 0 if self.copy is None else self.copy.nbytes
        return line(self, f"{size / 2**20:.1f} MiB", contexts=len(self.contexts))


class Parameter:
    """An array that is trained, and its gradient.

    Attributes
    ----------
    data : ndarray
        The values, float32 or float64. Written in place, never replaced.
    grad : ndarray or None
        Same shape; ops add to it. Allocated, as zeros, when first asked for; None while
        ``requires_grad`` is False.
    requires_grad : bool
        False freezes it: no gradient is computed, and none of the work that only serves it.
    decay : bool
        Whether weight decay applies: not on biases, norms, scales and positions.
    rounded : bool
        Whether linear layers multiply it rounded to bfloat16, with inputs rounded likewise; sums
        are float32. float32 only.
    panels : Panels or None
        While it is prepacked (`csparc.nn.prepacked`), and its data read-only: what linear layers
        read in its place.
    name : str
        Its name in the state dict, given by the model.
    spread : float or None
        Standard deviation of the initial values; None: constant ``fill``.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        *,
        spread: float | None = None,
        fill: float = 0.0,
        decay: bool = False,
    ):
        _take(shape, dtype)
        self.data = np.zeros(shape, dtype)
        self.decay = decay
        self.rounded = False
        self.panels: Panels | None = None
        self.name = ""
        self.spread = spread
        self.fill = fill
        self.requires_grad = True
        self._grad: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def grad(self) -> np.ndarray | None:
        if not self.requires_grad:
            return None
        if self._grad is None:
            self._grad = np.zeros(self.data.shape, self.data.dtype)
        return self._grad

    @grad.setter
    def grad(self, value: np.ndarray) -> None:
        """For ``grad += x``, and to copy values in; the array stays the same."""
        grad = self.grad
        if grad is None:
            raise ValueError(f"{self.name}: frozen, it has no gradient to set")
        if value is not grad:
            grad[...] = value

    def zero_grad(self) -> None:
        """Set the gradient to zero, if there is one."""
        if self._grad is not None:
            self._grad[...] = 0

    def initialise(self, seed: int) -> None:
        """Fill ``data`` with its initial values, a function of ``seed``, name and shape."""
        if self.spread is None:
            self.data[...] = self.fill
            return
        stream = zlib.crc32(self.name.encode())
        values = truncated_normal(seed, stream, self.data.size)
        self.data[...] = (self.spread * values).reshape(self.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Of copies and pickles: they are not prepacked, as no context would ever end it."""
        state = dict(vars(self))
        if self.panels is not None:
            state |= {"panels": None, "data": self.data.copy()}
        return state

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, {self.data.dtype}, {list(self.shape)})"


def trained(*parameters: Parameter | None) -> bool:
    """Whether a gradient is wanted of any of them."""
    return any(p is not None and p.requires_grad for p in parameters)


def truncated_normal(seed: int, stream: int, n: int) -> np.ndarray:
    """``n`` normal numbers within two standard deviations, float64: those outside are left out."""
    chunk, parts, found = 1 << 20, [], 0
    while found < n:
        wanted = min(chunk, math.ceil((n - found) * 1.06) + 64)
        values = _random.normal(seed, (stream, len(parts)), wanted)
        parts.append(values[np.abs(values) <= 2.0])
        found += len(parts[-1])
    return np.concatenate([np.empty(0), *parts])[:n]
