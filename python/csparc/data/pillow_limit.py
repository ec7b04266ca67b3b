"""Pillow's limit of pixels, raised while a picture is decoded whose size is judged here already."""

from __future__ import annotations

import threading
from types import TracebackType

from csparc._extras import require


class PillowLimit:
    """A context in which ``PIL.Image.MAX_IMAGE_PIXELS`` is at least ``max_pixels``.

    Some of Pillow's decoders ask that variable of the whole process, which no argument can raise.
    Contexts of several threads may overlap: the last to leave puts back what the first found.
    """

    _lock = threading.Lock()
    _open = 0
    _found: int | None = None

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._raised = False

    def __enter__(self) -> None:
        image = require("PIL.Image", extra="train")
        with self._lock:
            limit = image.MAX_IMAGE_PIXELS
            # While another context is open every one counts, or its leaving would lower the limit.
            self._raised = PillowLimit._open > 0 or (limit is not None and limit < self._max_pixels)
            if not self._raised:
                return
            if PillowLimit._open == 0:
                PillowLimit._found = limit
            PillowLimit._open += 1
            image.MAX_IMAGE_PIXELS = max(limit, self._max_pixels)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._raised:
            return
        with self._lock:
            PillowLimit._open -= 1
            if PillowLimit._open == 0:
                require("PIL.Image", extra="train").MAX_IMAGE_PIXELS = PillowLimit._found
