"""Whether a stream is a terminal that a person looks at."""

from __future__ import annotations

import os
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is a terminal that knows its size.

    Some containers and remote shells give one of 0 by 0 characters, on which tqdm draws nothing.
    """
    try:
        return stream is not None and stream.isatty() and min(_size(stream)) > 0
    except (OSError, ValueError):
        return False


def _size(stream: TextIO) -> os.terminal_size:
    return os.get_terminal_size(stream.fileno())
