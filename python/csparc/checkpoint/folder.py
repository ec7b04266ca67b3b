"""The files of a run: written whole or not at all, with space reserved for the next checkpoint.

A checkpoint is written to ``spare.tmp`` in the same folder, flushed to the disk, and renamed; then
the folder is flushed. At every moment ``last`` or ``previous`` is a whole checkpoint. The file that
``previous`` was becomes the next spare, so a disk that fills up during training cannot take
the space of the save that follows.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from csparc.checkpoint import file_system

Write = Callable[[BinaryIO], None]

SLACK = 1 << 16
"""Bytes by which the metadata may grow between two checkpoints of a run."""


def write_atomically(path: str | os.PathLike, write: Write) -> None:
    """Replace ``path`` by what ``write`` writes; after any failure the old file is untouched."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        _write_flushed(temporary, write)
        file_system.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    file_system.flush_folder(path.parent)


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """The same of a text, as UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


def _write_flushed(path: Path, write: Write) -> None:
    """Write from the start of a file that may exist: its space on the disk is used again."""
    if not _write_over(path, write):
        path.unlink()  # of a new file there is nothing to cut off
        _write_over(path, write)


def _write_over(path: Path, write: Write) -> bool:
    """False where what the file held beyond the new end could not be cut off."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "wb") as file:
        write(file)
        file.flush()
        whole = file_system.cut(file.fileno(), file.tell())
        file_system.flush_file(file.fileno())
    return whole


def check_no_run(folder: str | os.PathLike, what: str) -> None:
    """Refuse the folder of a run for something else, ``what``, that would lie among its files.

    Raises
    ------
    FileExistsError
        Naming a file of the run.
    """
    folder = Path(folder)
    names = ("checkpoints/last.safetensors", "checkpoints/previous.safetensors",
             "checkpoints/best.safetensors", "log.jsonl")  # fmt: skip
    for name in names:
        if (folder / name).exists():
            raise FileExistsError(
                f"out: expected a folder without a run for {what}, found {folder / name}: name "
                "another folder"
            )


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
        with open(self._spare, "ab") as file:
            file_system.reserve(file.fileno(), self._reserved)

    def candidates(self) -> list[Path]:
        """The files to resume from, the newest first."""
        return [path for path in (self.last, self.previous) if path.exists()]

    def save_last(self, write: Write, again: bool = False) -> None:
        """Write the spare, then let it become ``last``, ``last`` become ``previous``.

        ``again``: ``last`` holds the same step already, and is replaced; ``previous`` stays.
        """
        _write_flushed(self._spare, write)
        if not again:
            if self.previous.exists():
                file_system.rename(self.previous, self._recycled)
            if self.last.exists():
                file_system.rename(self.last, self.previous)
        file_system.rename(self._spare, self.last)
        with contextlib.suppress(FileNotFoundError):
            file_system.rename(self._recycled, self._spare)

    def flush(self) -> None:
        """Make what was saved survive a power failure, where the system can."""
        file_system.flush_folder(self.folder)

    def save_best(self, write: Write) -> None:
        """Replace ``best``."""
        write_atomically(self.best, write)
