"""The same numbers elsewhere in memory."""

from __future__ import annotations

import numpy as np


def unaligned(array: np.ndarray) -> np.ndarray:
    """A contiguous, writable copy at an odd address."""
    raw = bytearray(array.nbytes + 1)
    view = np.frombuffer(raw, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert array.itemsize == 1 or not view.size or not view.flags.aligned
    return view
