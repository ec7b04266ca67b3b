"""What a run writes while it trains, so that neither a full disk nor an error loses a step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from csparc._progress import Progress
from csparc.checkpoint.checkpoint import Checkpoint, read_checkpoint
from csparc.checkpoint.metadata import Counters
from csparc.trainer.files import RunFiles
from csparc.trainer.state import TrainingState


class Saving:
    """Checkpoints and logs of a run, in step with its state.

    Attributes
    ----------
    state : TrainingState
    files : RunFiles
    cursor : dict
        Where the data go on after the last finished step.
    history : list of dict
        The lines of the log, when there is no folder to hold them.
    """

    def __init__(self, state: TrainingState, files: RunFiles) -> None:
        self.state = state
        self.files = files
        self.cursor: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self._saved = state.counters
        self._best: Checkpoint | None = None

    def begin(self, progress: Progress) -> dict[str, Any] | None:
        """Restore what there is to resume; returns the place in the data to go on from."""
        found = self.files.open(progress)
        cursor = None
        if found is not None:
            path, checkpoint = found
            self.state.restore(checkpoint, str(path))
            self._saved = counters = self.state.counters
            cursor = checkpoint.metadata.cursor
            self.files.cut_back(counters.step, counters.validated_step)
            progress.say(f"resuming after step {counters.step} from {path}")
        self.files.reserve(self.state.checkpoint({}))
        return cursor

    @property
    def up_to_date(self) -> bool:
        """Whether the last checkpoint holds this state."""
        return self._saved == self.state.counters

    def save(self) -> None:
        """Write the last checkpoint, unless it holds this state already."""
        if self.up_to_date:
            return
        try:
            self.files.save_last(self.state.checkpoint(self.cursor))
            self._saved = self.state.counters
        except OSError as error:
            raise self.files.cannot_write(error) from error

    def keep_room(self) -> None:
        """Stop now, with everything saved, when there would be no space for the next save."""
        try:
            self.files.keep_room()
        except OSError as error:
            raise self.files.cannot_write(error) from error

    def log(self, record: dict[str, float]) -> None:
        """Add the line of a step to the log."""
        if self.files.out is None:
            self.history.append(record)
        with self._saving_first():
            self.files.log.append(record)

    def log_validation(self, result: dict[str, Any], after: Counters, best: bool) -> None:
        """Add the figures of this step's validation to their log, and go on with the counters
        ``after`` it; where they are the ``best``, write that checkpoint first."""
        with self._saving_first():
            if best:
                self._keep_best(self.state.checkpoint(self.cursor, after))
            self.files.log_validation({"step": after.step, **result})
        self.state.counters = after

    def best(self) -> Checkpoint | None:
        """That of the best validation; None where there was none, and where neither a folder nor,
        for an early stop, memory holds it.

        Raises
        ------
        CheckpointError
            Its file is damaged or gone.
        """
        if self.state.counters.best_step < 0 or self.files.out is None:
            return self._best
        return read_checkpoint(self.files.checkpoints.best)

    def _keep_best(self, checkpoint: Checkpoint) -> None:
        self.files.save_best(checkpoint)
        if self.files.out is None and self.files.config.early_stop is not None:
            self._best = checkpoint.used()

    @contextlib.contextmanager
    def _saving_first(self) -> Iterator[None]:
        """Around other writing: when the disk is full, save the step in the reserved space."""
        try:
            yield
        except OSError as error:
            self.save()
            raise self.files.cannot_write(error) from error
