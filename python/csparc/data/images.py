"""Decode one picture to upright 8-bit RGB; its size is judged before anything is allocated."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from typing import TYPE_CHECKING

import numpy as np

from csparc._extras import require
from csparc._kinds import HEAD_BYTES, READABLE_PICTURES, found_kind
from csparc._text import reason_of
from csparc._whereabouts import looked_for
from csparc.data.bare_picture import bare_forms
from csparc.data.pillow_limit import PillowLimit
from csparc.data.report import BadItem

if TYPE_CHECKING:
    from PIL import Image

# The number above which Pillow warns: 1 GiB of 8-bit pixels in 12 bytes each.
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

# Formats whose pixels Pillow gives as 32-bit integers only where the file has 16 bits.
_SIXTEEN_BITS = ("PNG", "PPM")

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Deflate packs at most so many bytes into one.
_DEFLATE = 1032


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
        Width times height allowed; judged by the header, before memory is taken for it.

    Returns
    -------
    uint8 [H, W, 3]
        RGB, turned upright by its EXIF orientation; transparent parts lie on white; 16-bit grey is
        scaled to 8 bits (round(v / 257)); the first frame of several. Metadata that are broken or
        large are passed over.

    Raises
    ------
    BadItem
        Whatever is wrong with the picture, or what the file is instead.
    """
    content = source if isinstance(source, bytes) else content_of(source, name)
    try:
        return _decoded(content, name, max_pixels)
    except BadItem:
        raise
    except Exception as error:
        # A broken file makes the decoders raise nearly anything: SyntaxError, struct.error, ...
        for bare in bare_forms(content):
            with contextlib.suppress(Exception):
                return _decoded(bare, name, max_pixels)
        raise BadItem(name, _why(content, error)) from error


def stored(path: str, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture of a file with its pixels as they are stored: indices, where it has a palette.

    Raises
    ------
    BadItem
        As `read`.
    """
    content = content_of(path, name)
    try:
        with PillowLimit(max_pixels):
            picture = _opened(content)
            _check_size(picture, content, name, max_pixels)
            picture.load()
            return picture
    except BadItem:
        raise
    except Exception as error:
        raise BadItem(name, _why(content, error)) from error


def size_of(path: str, name: str) -> tuple[int, int]:
    """Height and width of the upright picture in a file, by its header.

    Raises
    ------
    BadItem
        It is no picture.
    """
    content = content_of(path, name)
    try:
        with _opened(content) as opened:
            width, height = opened.size
            turned = opened.getexif().get(_EXIF_ORIENTATION, 1) > 4
    except Exception as error:
        raise BadItem(name, _why(content, error)) from error
    return (width, height) if turned else (height, width)


def _decoded(content: bytes, name: str, max_pixels: int) -> np.ndarray:
    with PillowLimit(max_pixels), _opened(content) as opened:
        _check_size(opened, content, name, max_pixels)
        opened.load()
        try:
            rgb = to_rgb(opened)
        except ValueError as error:
            raise BadItem(name, f"cannot be decoded: {reason_of(error)}") from error
        return np.array(_upright(rgb, opened), dtype=np.uint8)


def _opened(content: bytes) -> Image.Image:
    """As `PIL.Image.open`, without its own limit of pixels, which no argument can raise."""
    image_module = require("PIL.Image", extra="train")
    for kind in _available():
        factory, accept = image_module.OPEN[kind]
        accepted = accept is None or accept(content[:16])
        if not accepted or isinstance(accepted, str):
            continue
        with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
            return factory(io.BytesIO(content), "")
    raise image_module.UnidentifiedImageError("no decoder takes it")


def _available() -> list[str]:
    known = require("PIL.Image", extra="train").registered_extensions().values()
    return [kind for kind in FORMATS if kind in known]


def _check_size(opened: Image.Image, content: bytes, name: str, max_pixels: int) -> None:
    """Judge the size that the header states, before memory is taken for it."""
    width, height = opened.size
    if width < 1 or height < 1:
        raise BadItem(name, f"expected a picture, found {width} x {height} pixels")
    if width * height > max_pixels:
        raise BadItem(
            name,
            f"{width} x {height} pixels are more than the limit of {max_pixels} "
            "(max_pixels=, --max-pixels, to allow more)",
        )
    if _least_bytes(opened, content) > len(content):
        raise BadItem(
            name,
            f"{width} x {height} pixels are more than {len(content)} bytes can hold: is the file "
            "whole?",
        )


def _least_bytes(opened: Image.Image, content: bytes) -> int:
    """Bytes that a file of this size takes at the least; 0 where the format sets no bound."""
    width, height = opened.size
    if opened.format == "PNG" and len(content) > 25:
        bits = content[24] * _PNG_CHANNELS.get(content[25], 1)
        return height * (-(-width * bits // 8) + 1) // _DEFLATE
    if any(tile[0] == "raw" for tile in getattr(opened, "tile", ())):
        return width * height // 8
    return 0


def _why(content: bytes, error: Exception) -> str:
    """Why a file could not be decoded: what it is, where that is no picture that is read."""
    kind = found_kind(content[:HEAD_BYTES])
    if kind not in READABLE_PICTURES:
        return f"expected a picture, found {kind}"
    if READABLE_PICTURES[kind] not in _available():
        return f"expected a picture, found {kind}, which the installed Pillow does not read"
    return f"cannot be decoded: {kind}, cut short or broken ({reason_of(error)})"


def content_of(path: str, name: str) -> bytes:
    """The whole file: decoders ask a file for as many bytes as its headers claim, unchecked."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST_FILE:
                raise BadItem(name, f"has more than {_LARGEST_FILE} bytes")
            return file.read()
    except FileNotFoundError as error:
        raise BadItem(name, f"no such file{looked_for(path)}") from error
    except OSError as error:
        raise BadItem(name, f"cannot be read: {error.strerror or error}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """A loaded Pillow picture of any mode as RGB; transparency is composited on white.

    Raises
    ------
    ValueError
        For pixels of floating-point or 32-bit numbers, whose range nobody states.
    """
    image_module = require("PIL.Image", extra="train")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "I" and image.format not in _SIXTEEN_BITS:
        raise ValueError(
            "pixels of 32 bits or with a sign have no stated range; expected 8 or 16 bits"
        )
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
