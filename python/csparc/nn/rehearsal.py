"""A pass that computes nothing, to count the buffers a real one takes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from csparc import _core
from csparc.nn.buffers import Block, Buffers
from csparc.nn.tape import Tape


class _CountedBlock(Block):
    """Stands for a block of any size: all entries of its arrays are one number."""

    def __init__(self, size: int):
        super().__init__(0)

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.ndarray(shape, dtype, self.memory, 0, (0,) * len(shape))


class CountedBuffers(Buffers):
    """Counts as `Buffers` does, and holds nothing."""

    _block = _CountedBlock


class _Counting:
    """Stands for the core: its ops do nothing; ``scratch`` is what it would hold of its own.

    The core keeps the scratch of an op for the next, and takes more only for a larger one. Of
    convolutions and linear maps: others take little.
    """

    def __init__(self) -> None:
        self.scratch = 0
        self._largest = 0

    def __getattr__(self, op: str) -> Any:
        kind = op.rpartition("_")[0]
        if kind in ("conv", "conv_planar"):
            return partial(self._conv, op)
        return partial(self._linear, op) if kind == "linear" else _nothing

    def _linear(self, op: str, rows: np.ndarray, kernel: np.ndarray, *others: Any) -> None:
        bf16 = any(other is True for other in others)
        sizes = {"N": len(rows), "K": rows.shape[1], "M": len(kernel), "W": 0, "bf16": int(bf16)}
        self._count(_core.scratch_bytes(op, rows.itemsize, sizes))

    def _conv(self, op: str, x: np.ndarray, weight: np.ndarray, *others: Any) -> None:
        y = next(a for a in others if isinstance(a, np.ndarray) and a.ndim == 4)
        names = "BCYX" if "planar" in op else "BYXC"
        sizes = {**dict(zip(names, x.shape)), **dict(zip("BRSM", y.shape))}
        sizes["stride"] = sizes["Y"] // sizes["R"]
        self._count(_core.scratch_bytes(op, x.itemsize, sizes))

    def _count(self, size: int) -> None:
        if size > self._largest:
            self._largest = size
            self.scratch += size


def _nothing(*arguments: Any) -> None:
    """An op that has nothing to count."""


class Rehearsal(Tape):
    """A recording tape without arithmetic, whatever the sizes: after forward and `play`,
    ``buffers.size`` is what the pool of a real tape holds, and ``core.scratch`` the core."""

    def __init__(self, record: bool = True, remat: bool = False):
        super().__init__(record, CountedBuffers(), remat)
        self.core = _Counting()
