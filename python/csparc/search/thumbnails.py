"""Small pictures for pages, as JPEG: of their own shape, or as much as the model sees."""

from __future__ import annotations

import base64
import io

import numpy as np

from csparc._extras import require

LARGEST = 320
"""Pixels of a thumbnail's longer side."""


def whole_thumbnail(picture: np.ndarray, largest: int = LARGEST) -> bytes:
    """A picture uint8 [H, W, 3] with at most ``largest`` pixels a side."""
    pil = require("PIL.Image", extra="train")
    image = pil.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((largest, largest), pil.Resampling.BICUBIC)
    return jpeg(np.asarray(image))


def jpeg(picture: np.ndarray) -> bytes:
    """A picture uint8 [H, W, 3] as a JPEG file: its pixels, and nothing else of the file it was."""
    buffer = io.BytesIO()
    image = require("PIL.Image", extra="train").fromarray(np.ascontiguousarray(picture))
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def data_address(content: bytes) -> str:
    """A JPEG file inside an address, for a page that loads nothing."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
