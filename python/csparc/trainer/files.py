"""The folder of a run: its logs, its checkpoints, and a lock that keeps a second run out."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from csparc._progress import Progress
from csparc.checkpoint import file_system
from csparc.checkpoint.checkpoint import Checkpoint, find_checkpoint, read_checkpoint
from csparc.checkpoint.folder import CheckpointFolder
from csparc.errors import CheckpointError, TrainingError
from csparc.trainer.config import TrainConfig
from csparc.trainer.log import JsonLines

LOCK = ".lock"


class RunFiles:
    """Everything a run writes; with ``out=None`` nothing is written.

    Parameters
    ----------
    config : TrainConfig
    columns : tuple of str
        Of the log: `csparc.trainer.log.step_keys`.
    """

    def __init__(self, config: TrainConfig, columns: tuple[str, ...]) -> None:
        self.config = config
        self.out = None if config.out is None else Path(config.out)
        inside = (lambda name: None) if self.out is None else self.out.joinpath
        self.log = JsonLines(inside("log.jsonl"), columns)
        self.validation = JsonLines(inside("validation.jsonl"))
        self.checkpoints = None if self.out is None else CheckpointFolder(self.out / "checkpoints")
        self._lock: int | None = None
        self._saved_step: int | None = None

    def open(self, progress: Progress) -> tuple[Path, Checkpoint] | None:
        """Make or take over the folder; returns the checkpoint to go on from, if any.

        Raises
        ------
        CheckpointError
            ``resume`` names a file that is not a whole checkpoint.
        TrainingError
            The folder holds a run and neither ``resume`` nor ``overwrite`` was asked for, another
            process trains in it, or it cannot be written to.
        """
        if self.out is None:
            return None
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            locked = self._take_lock()
            self.checkpoints.create()
            self._warn_of_lacking(locked)
        except OSError as error:
            raise TrainingError(
                f"{self.out}: expected a folder to write the run to: {error.strerror}"
            ) from error
        resume = self.config.resume
        if resume is None:
            self._begin_anew()
            return None
        if str(resume) != "latest":
            path = find_checkpoint(resume)
            return path, read_checkpoint(path)
        return self._newest(progress)

    def reserve(self, checkpoint: Checkpoint) -> None:
        """Reserve space on the disk for the next checkpoint.

        Raises
        ------
        TrainingError
            There is not enough space.
        """
        if self.out is None:
            return
        size = checkpoint.encoded_size()
        try:
            self.checkpoints.reserve(size)
        except OSError as error:
            raise TrainingError(
                f"{self.checkpoints.folder}: expected room for checkpoints of {size / 1e6:.1f} MB, "
                f"found: {error.strerror}"
            ) from error

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Write ``last``, after the logs it must not run ahead of.

        Raises
        ------
        TrainingError
            The folder is no longer the one this run began in.
        """
        if self.out is None:
            return
        step = checkpoint.metadata.counters.step
        self._check_place(step)
        self.log.flush_to_disk()
        self.validation.flush_to_disk()
        self.checkpoints.save_last(checkpoint.write, again=step == self._saved_step)
        self._saved_step = step
        self.checkpoints.flush()

    def keep_room(self) -> None:
        """Reserve the space of the next checkpoint again, after a save that is not the last."""
        if self.out is not None:
            self.checkpoints.keep_room()

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Write ``best``; raises as `save_last`."""
        if self.out is not None:
            self._check_place(checkpoint.metadata.counters.step)
            self.checkpoints.save_best(checkpoint.write)

    def log_validation(self, record: dict[str, object]) -> None:
        """Add a line to ``validation.jsonl``; raises as `save_last`."""
        if self.out is not None:
            self._check_place(record["step"])
            self.validation.append(record)

    def cannot_write(self, error: OSError) -> TrainingError:
        """What to tell when a file could not be written."""
        files = self.checkpoints.last, self.checkpoints.previous
        if self._saved_step is None:
            kept = "no checkpoint had been written yet"
        elif any(map(os.path.exists, files)):  # which, unlike a path's own, never fails
            kept = f"the checkpoint of step {self._saved_step} is whole"
        else:
            kept = f"the checkpoint of step {self._saved_step} is no longer there"
        remedy = "make room" if error.errno in file_system.FULL else "mend that"
        return TrainingError(
            f"{self.out}: cannot be written: {error.strerror}; {kept}; {remedy}, then go on with "
            "resume='latest' (--resume latest)"
        )

    def cut_back(self, step: int, validated_step: int) -> None:
        """Drop what the logs hold beyond the checkpoint that is resumed."""
        self._saved_step = step
        self.log.cut_back(step)
        self.validation.cut_back(validated_step)

    def close(self) -> None:
        """Close the logs, give reserved space back, release the lock."""
        self.log.close()
        self.validation.close()
        if self._lock is not None:
            if self._in_place():
                self.checkpoints.release()
            os.close(self._lock)
            self._lock = None

    def _begin_anew(self) -> None:
        folder = self.checkpoints
        old = [path for path in (*folder.candidates(), folder.best) if path.exists()]
        if old and not self.config.overwrite:
            raise TrainingError(
                f"{self.out}: expected a folder without a run, found {old[0].name}; "
                "resume='latest' (--resume latest) goes on with it, overwrite=True (--overwrite) "
                "replaces it"
            )
        for path in (*old, self.log.path, self.validation.path):
            path.unlink(missing_ok=True)

    def _newest(self, progress: Progress) -> tuple[Path, Checkpoint] | None:
        """The newest whole checkpoint; a damaged one is named and the one before it taken."""
        damaged: CheckpointError | None = None
        for path in self.checkpoints.candidates():
            try:
                checkpoint = read_checkpoint(path)
            except CheckpointError as error:
                damaged = error
                progress.say(f"{error}; trying the one before it")
                continue
            return path, checkpoint
        if damaged is not None:
            raise damaged
        progress.say(f"nothing to resume in {self.out}: starting anew")
        self._begin_anew()
        return None

    def _take_lock(self) -> bool:
        """Keep other runs out, and hold the file that tells this folder from one put in its place;
        False where the file system has no locks."""
        self._lock = os.open(self.out / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            return file_system.lock(self._lock)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise TrainingError(
                f"{self.out}: expected a folder no one trains in, found another process at it"
            ) from error

    def _warn_of_lacking(self, locked: bool) -> None:
        lacking = file_system.lacking(self.checkpoints.folder)
        if not locked:
            lacking.insert(0, "lock files (see that no second run writes here)")
        if lacking:
            warnings.warn(
                f"{self.out}: its file system does not {', '.join(lacking)}; training goes on "
                "without",
                stacklevel=4,
            )

    def _in_place(self) -> bool:
        """Whether the path of the run still leads to the folder it began in."""
        try:
            return os.path.samestat(os.stat(self.out / LOCK), os.fstat(self._lock))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _check_place(self, step: int) -> None:
        """Refuse to write after ``step`` to a folder that was deleted, moved or replaced."""
        if self._in_place():
            return
        lost = "all steps are lost" if self._saved_step is None else (
            f"the steps after the checkpoint of step {self._saved_step} are lost, and that "
            "checkpoint went with the folder"
        )  # fmt: skip
        raise TrainingError(
            f"{self.out}: the folder of this run was deleted or moved while it trained; stopped "
            f"after step {step}, nothing was written to what is there now; {lost}"
        )
