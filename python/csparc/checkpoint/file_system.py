"""What some file systems lack: done where it is there, found out beforehand where it is not.

Network and cloud file systems answer some calls with an error though files can be written. Each
function here returns whether the file system did what was asked, and raises OSError only for an
error that means something: a full disk, a file that cannot be written.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that go away when room is made."""
_LACKING = frozenset(
    {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY, errno.EPERM}
)
_LACKING_FOLDER = _LACKING | {errno.EBADF, errno.EACCES, errno.EISDIR}
_LACKING_RENAME = _LACKING | {errno.EEXIST, errno.EXDEV, errno.EACCES}
_PROBE_BYTES = 4096


def lock(handle: int) -> bool:
    """Keep other processes from locking an open file; no two runs on Windows are told apart.

    Raises
    ------
    BlockingIOError
        Another process has locked it.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def flush_file(handle: int) -> bool:
    """Make what was written to an open file survive a power failure."""
    return _done(_LACKING, os.fsync, handle)


def flush_folder(folder: str | os.PathLike) -> bool:
    """Make renames in a folder survive a power failure; on Windows nothing need be done."""
    return os.name != "posix" or _done(_LACKING_FOLDER, _flush_folder, folder)


def reserve(handle: int, nbytes: int) -> bool:
    """Take the room of the first ``nbytes`` of an open file."""
    if not hasattr(os, "posix_fallocate"):
        return False
    return _done(_LACKING, os.posix_fallocate, handle, 0, nbytes)


def cut(handle: int, nbytes: int) -> bool:
    """Drop what an open file holds beyond ``nbytes``."""
    longer = os.fstat(handle).st_size > nbytes
    return not longer or _done(_LACKING, os.ftruncate, handle, nbytes)


def rename(source: Path, target: Path) -> bool:
    """Let ``target`` be ``source``; False where it had to be copied, which a kill can cut short."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno not in _LACKING_RENAME:
            raise
        shutil.copyfile(source, target)
        source.unlink()
        return False
    return True


def lacking(folder: Path) -> list[str]:
    """What the file system of ``folder`` does not do, each with what follows from it."""
    probe, renamed = folder / "probe.tmp", folder / "renamed.tmp"
    with open(probe, "wb") as file:
        file.write(b"probe")
        file.flush()
        reserves = reserve(file.fileno(), _PROBE_BYTES) or not hasattr(os, "posix_fallocate")
        flushes = flush_file(file.fileno())
    renamed.touch()
    renames = rename(probe, renamed)
    flushes = flush_folder(folder) and flushes
    renamed.unlink()
    answers = {
        "flush files to the disk (a power failure may cost the newest checkpoints)": flushes,
        "reserve room (a disk that fills up may cost the steps since a checkpoint)": reserves,
        "rename files (a kill during a save may leave only the checkpoint before)": renames,
    }
    return [what for what, answer in answers.items() if not answer]


def _done(lacking: frozenset[int], operation, *arguments: object) -> bool:
    try:
        operation(*arguments)
    except OSError as error:
        if error.errno not in lacking:
            raise
        return False
    return True


def _flush_folder(folder: str | os.PathLike) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
