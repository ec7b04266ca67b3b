"""The files of a run: written whole or not at all, with space reserved for the next checkpoint.

A checkpoint is written to ``spare.tmp`` in the same folder, flushed to the disk, and renamed; then
the folder is flushed. At every moment ``last`` or ``previous`` is a whole checkpoint. The file that
``previous`` was becomes the next spare, so a disk that fills up during training cannot take
the space of the save that follows.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

Write = Callable[[BinaryIO], None]

SLACK = 1 << 16
"""Bytes by which the metadata may grow between two checkpoints of a run."""


def flush_folder(folder: str | os.PathLike) -> None:
    """Make renames in a folder survive a power failure, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: str | os.PathLike, write: Write) -> None:
    """Replace ``path`` by what ``write`` writes; after any failure the old file is untouched."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        _write_flushed(temporary, write)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def _write_flushed(path: Path, write: Write) -> None:
    """Write from the start of a file that may exist: its space on the disk is used again."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "wb") as file:
        write(file)
        file.flush()
        file.truncate()
        os.fsync(file.fileno())


class CheckpointFolder:
    """``OUT/checkpoints``: ``last``, ``previous`` and ``best``, each ``.safetensors``.

    Parameters
    ----------
    folder : path
        Made by `create`; reading does not need it to exist.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self.last = self.folder / "last.safetensors"
        self.previous = self.folder / "previous.safetensors"
        self.best = self.folder / "best.safetensors"
        self._spare = self.folder / "spare.tmp"
        self._recycled = self.folder / "recycled.tmp"
        self._reserved = 0

    def create(self) -> None:
        """Make the folder and clear what a killed run left half-written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob("*.tmp"):
            leftover.unlink()

    def reserve(self, nbytes: int) -> None:
        """Reserve the space of one more checkpoint of ``nbytes``.

        Raises
        ------
        OSError
            ENOSPC when there is too little. Where the system cannot reserve, nothing happens.
        """
        self._reserved = nbytes + SLACK
        try:
            self.keep_room()
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Give the reserved space back, at the end of training."""
        self._spare.unlink(missing_ok=True)

    def keep_room(self) -> None:
        """After a save: make the spare as large as `reserve` asked for again, or raise OSError."""
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            with open(self._spare, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, self._reserved)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise

    def candidates(self) -> list[Path]:
        """The files to resume from, the newest first."""
        return [path for path in (self.last, self.previous) if path.exists()]

    def save_last(self, write: Write) -> None:
        """Write the spare, then let it become ``last``, ``last`` become ``previous``."""
        _write_flushed(self._spare, write)
        if self.previous.exists():
            os.replace(self.previous, self._recycled)
        if self.last.exists():
            os.replace(self.last, self.previous)
        os.replace(self._spare, self.last)
        flush_folder(self.folder)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._recycled, self._spare)

    def save_best(self, write: Write) -> None:
        """Replace ``best``."""
        write_atomically(self.best, write)
