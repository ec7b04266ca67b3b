"""Decode one picture to upright 8-bit RGB; its size is judged before anything is allocated."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from csparc._extras import require
from csparc._text import reason_of
from csparc.data.report import BadItem

if TYPE_CHECKING:
    from PIL import Image

# Pillow's own warning threshold: 1 GiB of 8-bit pixels in 12 bytes each.
MAX_PIXELS = 89_478_485

_LARGEST_FILE = 1 << 30

# Raster formats only: Pillow would hand PostScript to another program.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jp2", ".avif"),
    }
)

_EXIF_ORIENTATION = 0x0112


def is_picture(name: str) -> bool:
    """Whether a file name ends like a picture's (in either case)."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def read(source: str | bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a picture file.

    Parameters
    ----------
    source : str or bytes
        A path, or the file's content.
    name : str
        What messages call it.
    max_pixels : int
        Width times height allowed; judged by the header. Pillow's own limit
        (``PIL.Image.MAX_IMAGE_PIXELS``) holds besides.

    Returns
    -------
    uint8 [H, W, 3]
        RGB, turned upright by its EXIF orientation; transparent parts lie on white; 16-bit grey is
        scaled to 8 bits (round(v / 257)); the first frame of several.

    Raises
    ------
    BadItem
        Whatever is wrong with the picture.
    """
    image_module = require("PIL.Image", extra="train")
    available = image_module.registered_extensions().values()
    formats = [kind for kind in FORMATS if kind in available]
    content = source if isinstance(source, bytes) else _content(source, name)
    try:
        with image_module.open(io.BytesIO(content), formats=formats) as opened:
            width, height = opened.size
            if width < 1 or height < 1:
                raise BadItem(name, f"expected a picture, found {width} x {height} pixels")
            if width * height > max_pixels:
                raise BadItem(
                    name, f"{width} x {height} pixels are more than the limit of {max_pixels}"
                )
            opened.load()
            return np.array(_upright(to_rgb(opened), opened), dtype=np.uint8)
    except BadItem:
        raise
    except image_module.UnidentifiedImageError as error:
        raise BadItem(name, "expected a picture, found another kind of file") from error
    except Exception as error:
        # A broken file makes the decoders raise nearly anything: SyntaxError, struct.error, ...
        raise BadItem(name, f"cannot be decoded: {reason_of(error)}") from error


def _content(path: str, name: str) -> bytes:
    """The whole file: decoders ask a file for as many bytes as its headers claim, unchecked."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST_FILE:
                raise BadItem(name, f"has more than {_LARGEST_FILE} bytes")
            return file.read()
    except OSError as error:
        raise BadItem(name, f"cannot be read: {error.strerror or error}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """A loaded Pillow picture of any mode as RGB; transparency is composited on white.

    Raises
    ------
    ValueError
        For floating-point pixels, whose range nobody states.
    """
    image_module = require("PIL.Image", extra="train")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        sixteen = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        eight = ((sixteen + 128) // 257).astype(np.uint8)
        return image_module.fromarray(eight).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no stated range; expected 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = image_module.new("RGBA", layered.size, (255, 255, 255, 255))
        return image_module.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _upright(rgb: Image.Image, opened: Image.Image) -> Image.Image:
    turn = require("PIL.Image", extra="train").Transpose
    turns = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    try:
        orientation = opened.getexif().get(_EXIF_ORIENTATION)
        method = turns.get(orientation)
    except Exception:
        # Damaged EXIF says nothing about the pixels, which decoded.
        return rgb
    return rgb if method is None else rgb.transpose(method)
