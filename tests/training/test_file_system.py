"""File systems without locks, flushes, reservations or renames are used, with one warning."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_training
from small_training import read_log

from csparc.checkpoint import file_system
from csparc.checkpoint.folder import CheckpointFolder
from csparc.errors import TrainingError

LOCK, FLUSH, RESERVE, RENAME = "lock files", "flush files", "reserve room", "rename files"


def answering(number: int, when=lambda *arguments: True, real=None):
    """A function that fails with ``number`` where ``when`` holds of its arguments."""

    def answer(*arguments):
        if when(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    return answer


def is_folder(handle: int) -> bool:
    return os.path.isdir(f"/proc/self/fd/{handle}")


CASES = {
    **{
        f"flock {errno.errorcode[number]}": (fcntl, "flock", answering(number), LOCK)
        for number in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO)
    },
    **{
        f"fsync of a folder {errno.errorcode[number]}": (
            os, "fsync", answering(number, is_folder, os.fsync), FLUSH,
        )
        for number in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
    },
    **{
        f"fsync {errno.errorcode[number]}": (os, "fsync", answering(number), FLUSH)
        for number in (errno.EINVAL, errno.ENOSYS)
    },
    **{
        f"posix_fallocate {errno.errorcode[number]}": (
            os, "posix_fallocate", answering(number), RESERVE,
        )
        for number in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
    },
    **{
        f"rename {errno.errorcode[number]}": (os, "replace", answering(number), RENAME)
        for number in (errno.ENOSYS, errno.EPERM, errno.EXDEV)
    },
    "rename onto a file EEXIST": (
        os, "replace",
        answering(errno.EEXIST, lambda _, target: os.path.exists(target), os.replace), RENAME,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    small_training.trainer(out).run()
    return out


def same_files(out: Path, whole: Path) -> None:
    for name in ("last", "previous", "best"):
        file = f"checkpoints/{name}.safetensors"
        assert (out / file).read_bytes() == (whole / file).read_bytes()
    assert read_log(out) == read_log(whole)


@pytest.mark.parametrize("case", CASES)
def test_training_goes_on_without(case, whole, tmp_path, monkeypatch):
    module, name, fake, what = CASES[case]
    monkeypatch.setattr(module, name, fake)
    with pytest.warns(UserWarning, match=f"its file system does not {what}") as said:
        small_training.trainer(tmp_path / "run").run()
    assert len(said) == 1
    same_files(tmp_path / "run", whole)
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "best.safetensors", "last.safetensors", "previous.safetensors",
    ]  # fmt: skip


def test_a_file_that_cannot_be_cut_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "ftruncate", answering(errno.ENOSYS))
    folder = CheckpointFolder(tmp_path)
    folder.reserve(1 << 20)
    for text in (b"a long one", b"short"):
        folder.save_last(lambda file, text=text: file.write(text))
        folder.keep_room()
        assert folder.last.read_bytes() == text


def test_everything_lacking_is_one_warning(tmp_path, monkeypatch):
    for case in ("flock ENOSYS", "fsync EINVAL", "posix_fallocate ENOSYS", "rename ENOSYS"):
        module, name, fake, _ = CASES[case]
        monkeypatch.setattr(module, name, fake)
    with pytest.warns(UserWarning, match=f"{LOCK}.*{FLUSH}.*{RESERVE}.*{RENAME}") as said:
        small_training.trainer(tmp_path / "run").run()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"), (errno.EDQUOT, "make room"),
        (errno.EIO, "mend that"), (errno.EROFS, "mend that"),
    ],
)  # fmt: skip
def test_an_error_of_a_save_says_what_helps(number, remedy, tmp_path, monkeypatch):
    save, saves = CheckpointFolder.save_last, []

    def fail(self, write, again):
        saves.append(1)
        if len(saves) == 2:
            raise OSError(number, os.strerror(number))
        save(self, write, again)

    monkeypatch.setattr(CheckpointFolder, "save_last", fail)
    with pytest.raises(TrainingError, match=f"step 2 is whole; {remedy}, then go on"):
        small_training.trainer(tmp_path / "run").run()


def test_what_was_renamed_into_place_counts_as_written(tmp_path, monkeypatch):
    """The flush of the folder fails after the rename: the step it wrote is named."""
    monkeypatch.setattr(CheckpointFolder, "flush", answering(errno.EIO))
    with pytest.raises(TrainingError, match="step 2 is whole; mend that"):
        small_training.trainer(tmp_path / "run").run()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_errors_that_mean_something_are_not_swallowed(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", answering(number))
    monkeypatch.setattr(os, "posix_fallocate", answering(number))
    monkeypatch.setattr(os, "replace", answering(number))
    (tmp_path / "a").touch()
    with open(tmp_path / "a", "ab") as file:
        for call in (
            lambda: file_system.flush_file(file.fileno()),
            lambda: file_system.flush_folder(tmp_path),
            lambda: file_system.reserve(file.fileno(), 1),
            lambda: file_system.rename(tmp_path / "a", tmp_path / "b"),
        ):
            with pytest.raises(OSError, match=os.strerror(number)):
                call()


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc and LD_PRELOAD"
)
def test_a_real_process_under_such_a_file_system(whole, tmp_path):
    source = Path(small_training.__file__).with_name("lacking_file_system.c")
    library = tmp_path / "lacking.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    for lacks, what in (("flock", LOCK), ("fsync", FLUSH), ("posix_fallocate", RESERVE)):
        out = tmp_path / lacks
        done = subprocess.run(
            [sys.executable, small_training.__file__, out],
            env={**os.environ, "LD_PRELOAD": str(library), "LACKS": lacks},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(f"its file system does not {what}") == 1
        same_files(out, whole)
