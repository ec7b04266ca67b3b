"""Small pictures and data sets for the tests of the readers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(number: int, height: int = 12, width: int = 16) -> np.ndarray:
    """A picture unlike any other: uint8 [height, width, 3], smooth enough for JPEG."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack(
        [(x * 9 + number * 37) % 256, (y * 11 + number * 17) % 256, 0 * x + number * 53 % 256],
        axis=2,
    ).astype(np.uint8)


def save(path: Path, number: int = 0, **size: int) -> np.ndarray:
    """Write `pixels` to a file of any format; give back what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = pixels(number, **size)
    Image.fromarray(array).save(path)
    return array


def encoded(number: int = 0, kind: str = "PNG", **size: int) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(number, **size)).save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, entries: list[tuple[str, bytes]], kind: int = tarfile.GNU_FORMAT) -> Path:
    """A tar archive of (name, content)."""
    with tarfile.open(path, "w", format=kind) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
