"""Whether a person looks at a stream, and what of a text may reach it."""

from __future__ import annotations

import os
import re
from typing import TextIO

# Control characters (ESC begins what moves the cursor, C1 has one-byte forms of it, which stand in
# names that are no text as surrogates), characters that reorder a line for the eye, and line ends
# that only some programs know.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udc9f]")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is a terminal that knows its size.

    Some containers and remote shells give one of 0 by 0 characters, on which tqdm draws nothing.
    """
    try:
        return stream is not None and stream.isatty() and min(_size(stream)) > 0
    except (OSError, ValueError):
        return False


def escaped(text: str, keep: str = "") -> str:
    """``text`` with every character that steers a terminal written out, as Python writes it.

    Names of files and members, captions and settings come from anywhere. ``keep``: those that stay.
    """
    return _STEERING.sub(
        lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text
    )


def _size(stream: TextIO) -> os.terminal_size:
    return os.get_terminal_size(stream.fileno())
