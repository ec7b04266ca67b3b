"""Memory for activations and gradients, used again from step to step.

Fresh memory costs a page fault per 4 KiB on first touch, which for an encoder's activations is as
dear as the arithmetic. So buffers are kept, and one is free exactly when no array refers to it any
more: nothing is given back by hand, and an array somebody still holds is never overwritten. Sizes
are rounded up by an eighth at most, so that batches of captions of varying length share them.
"""

from __future__ import annotations

import math
import sys
import threading

import numpy as np

from csparc._repr import line

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
_LONGEST_IDLE = 20_000  # takes, about a hundred training steps


def _rounded(size: int) -> int:
    """The next of the sizes 2^k (8 + i) / 8, i = 0 to 7; 64 at least."""
    step = 1 << max(size.bit_length() - 4, 3)
    return max(_ALIGNMENT, -(-size // step) * step)


class Block:
    """Memory of one size, free when no array refers to it."""

    __slots__ = ("last_use", "memory", "offset")

    def __init__(self, size: int):
        self.memory = np.empty(size + _ALIGNMENT, np.uint8)
        self.offset = -self.memory.ctypes.data % _ALIGNMENT
        self.last_use = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.ndarray(shape, dtype, self.memory, self.offset)

    def is_free(self) -> bool:
        # The attribute and the argument of getrefcount; every array on it adds one.
        return sys.getrefcount(self.memory) == 2


class Buffers:
    """A pool of arrays. ``taken`` counts the blocks ever allocated, ``size`` the bytes held now."""

    _block: type[Block] = Block

    def __init__(self) -> None:
        self.taken = 0
        self.size = 0
        self._blocks: dict[int, list[Block]] = {}
        self._clock = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return line(self, f"{self.size / 2**20:.1f} MiB", taken=self.taken)

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An uninitialised, contiguous, 64-byte aligned array."""
        size = _rounded(math.prod(shape) * dtype.itemsize)
        with self._lock:
            self._clock += 1
            blocks = self._blocks.setdefault(size, [])
            block = next((block for block in blocks if block.is_free()), None)
            if block is None:
                self._drop_idle()
                block = self._block(size)
                blocks.append(block)
                self.taken += 1
                self.size += size
            block.last_use = self._clock
            return block.array(shape, dtype)

    def in_use(self) -> int:
        """Bytes of the blocks some array refers to."""
        with self._lock:
            return sum(
                size * sum(not block.is_free() for block in blocks)
                for size, blocks in self._blocks.items()
            )

    def clear(self) -> None:
        """Give the memory of free blocks back to the system."""
        with self._lock:
            self._keep(lambda block: not block.is_free())

    def _drop_idle(self) -> None:
        oldest = self._clock - _LONGEST_IDLE
        self._keep(lambda block: block.last_use >= oldest or not block.is_free())

    def _keep(self, wanted) -> None:
        for size, blocks in self._blocks.items():
            kept = [block for block in blocks if wanted(block)]
            self.size -= size * (len(blocks) - len(kept))
            blocks[:] = kept


BUFFERS = Buffers()
"""The pool every tape uses unless told otherwise."""
