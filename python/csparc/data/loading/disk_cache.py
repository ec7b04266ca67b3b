"""Decoded and resized pictures kept in a folder, for later epochs and later runs.

Each picture is a file of its own: what `Preprocess.fixed` gives, 8-bit pixels as they are, behind a
header with the size, the time of change and a digest of what it was decoded from. A file is written
under another name and renamed, so that it is whole or absent whenever a run is killed, and several
runs may share a folder: they write the same. What a power failure leaves is known by a check sum.

A picture is taken from the folder when its source has the size and the time of change it had then.
Where these differ the content is read, and its digest decides. A source that changed within the
last two seconds is not kept yet: a clock may not tell one such change from the next. So one trap is
left, a source that is written over with as many bytes and given back its time of change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import threading
import time
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from csparc._extras import require
from csparc._repr import line
from csparc._version import __version__
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem
from csparc.data.source import Source
from csparc.data.transforms import Preprocess

_HEADER = struct.Struct("<8sQq16sIIII")
"""Magic, bytes and time of change of the source, digest, height, width, check sums of the pixels
and of all before."""
_MAGIC = b"CSPIXEL1"
_SETTLED = 2_000_000_000
"""Nanoseconds after a change in which another one may get the same time."""
_LEFT_BEHIND = 3600
"""Seconds after which an unfinished file is of a run that was killed."""
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Decoded pictures, to be deleted at will.\n"
"""What backup programs know a folder by that need not be kept."""


class _Held(NamedTuple):
    """What a file of the folder holds."""

    size: int
    changed: int
    """Nanoseconds."""
    digest: bytes
    pixels: np.ndarray


class DiskCache:
    """The pictures of a data set through a transform's fixed part, kept in ``folder``.

    Parameters
    ----------
    folder : path
        Made where it is not there. May be that of other data sets, transforms and runs.
    dataset : Dataset
    transform : Preprocess

    Raises
    ------
    OSError
        The folder cannot be made or written to. Later, a picture that cannot be kept (a full disk)
        costs a warning, and nothing more is kept.
    """

    def __init__(self, folder: str | os.PathLike, dataset: Dataset, transform: Preprocess) -> None:
        self._folder = Path(folder)
        self._dataset = dataset
        self._transform = transform
        self._made_by = [
            __version__,
            require("PIL", extra="train").__version__,
            transform.fixed_config(),
        ]
        self._keeps = True
        self._unfinished = self._folder / "unfinished"
        self._unfinished.mkdir(parents=True, exist_ok=True)
        (self._folder / "CACHEDIR.TAG").write_text(_TAG, encoding="utf-8")
        _sweep(self._unfinished)

    def __repr__(self) -> str:
        return line(self, str(self._folder))

    def get(self, index: int) -> np.ndarray:
        """``transform.fixed`` of picture `index`, uint8 [H, W, 3]; not to be written to.

        Raises
        ------
        BadItem
            When it cannot be decoded (every time it is asked for).
        """
        source = self._dataset.source(index)
        before = None if source is None else _stat(source.path)
        if before is None:
            return self._decoded(index)  # which says what is wrong with a missing file
        path = self._path(source)
        held = _read(path)
        if held is not None and (held.size, held.changed) == before:
            return held.pixels
        begun, digest = time.time_ns(), _digest(source)
        same = held is not None and held.digest == digest
        pixels = held.pixels if same else self._decoded(index)
        if before == _stat(source.path) and before[1] + _SETTLED < begun and digest is not None:
            self._keep(path, _Held(*before, digest, pixels))
        return pixels

    def _decoded(self, index: int) -> np.ndarray:
        return self._transform.fixed(self._dataset.load(index))

    def _path(self, source: Source) -> Path:
        """Named by all that decides the pixels but the content of the source."""
        place = [os.path.abspath(source.path), source.offset, source.size]
        text = json.dumps([self._made_by, self._dataset.max_pixels, *place])
        name = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _keep(self, path: Path, held: _Held) -> None:
        if not self._keeps:
            return
        temporary = self._unfinished / f"{path.name}.{os.getpid()}.{threading.get_ident()}"
        try:
            path.parent.mkdir(exist_ok=True)
            with open(temporary, "wb") as file:
                _write(file, held)
            os.replace(temporary, path)
        except OSError as error:
            self._keeps = False
            with contextlib.suppress(OSError):
                temporary.unlink()
            warnings.warn(
                f"cache: {self._folder}: {error.strerror or error}: no more pictures are kept, "
                "training goes on without",
                stacklevel=2,
            )


def check_folder(folder: str | os.PathLike, dataset: Dataset) -> None:
    """Refuse a folder that has the pictures of a data set in it: what is kept would lie among them.

    Raises
    ------
    ValueError
        Naming one of them.
    """
    place, seen = os.path.realpath(folder), set()
    for index in range(len(dataset)):
        with contextlib.suppress(BadItem):
            source = dataset.source(index)
            if source is None or os.path.dirname(source.path) in seen:
                continue
            seen.add(os.path.dirname(source.path))
            if Path(place) in Path(os.path.realpath(source.path)).parents:
                raise ValueError(
                    f"cache: expected a folder of its own, found {os.fspath(folder)}, where the "
                    f"pictures themselves are ({source.path})"
                )


def _write(file, held: _Held) -> None:
    height, width, _ = held.pixels.shape
    pixels = np.ascontiguousarray(held.pixels)
    head = (_MAGIC, held.size, held.changed, held.digest, height, width, zlib.crc32(pixels))
    file.write(_HEADER.pack(*head, zlib.crc32(repr(head).encode())))
    file.write(pixels)


def _read(path: Path) -> _Held | None:
    """What a file holds; None where there is none, or not a whole one."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return None
    if len(content) < _HEADER.size:
        return None
    *head, check = _HEADER.unpack_from(content)
    magic, size, changed, digest, height, width, pixel_check = head
    pixels = np.frombuffer(content, np.uint8, offset=_HEADER.size)
    if magic != _MAGIC or check != zlib.crc32(repr(tuple(head)).encode()):
        return None
    if pixels.size != height * width * 3 or zlib.crc32(pixels) != pixel_check:
        return None
    return _Held(size, changed, digest, pixels.reshape(height, width, 3))


def _stat(path: str) -> tuple[int, int] | None:
    """Bytes and time of change of a file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _digest(source: Source) -> bytes | None:
    """None where the source cannot be read."""
    try:
        return hashlib.blake2b(source.read(), digest_size=16).digest()
    except OSError:
        return None


def _sweep(folder: Path) -> None:
    """Delete what killed runs left unfinished."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _LEFT_BEHIND:
                path.unlink()
