"""When a run validates, and what becomes of the figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from csparc._progress import Progress
from csparc.trainer import early_stop
from csparc.trainer.config import TrainConfig
from csparc.trainer.interrupt import StopRequest
from csparc.trainer.saving import Saving
from csparc.trainer.validation import Validation, failure, summary


class Validating:
    """The validations of a run.

    Attributes
    ----------
    last : dict or None
        The figures of the last one of this process.
    failed : str or None
        Why the last one failed; None where it did not.
    """

    def __init__(self, validation: Validation | None, config: TrainConfig, saving: Saving) -> None:
        self.last: dict[str, Any] | None = None
        self.failed: str | None = None
        self._validation = validation
        self._config = config
        self._saving = saving
        self._state = saving.state

    def out_of_patience(self, total_steps: int) -> bool:
        """Whether the run is to end early, for want of a better score."""
        counters = self._state.counters
        return counters.step < total_steps and early_stop.out_of_patience(self._config, counters)

    def if_due(self, total_steps: int, progress: Progress, stop: StopRequest) -> None:
        """Validate after the steps that ask for it, once: also when a resumed run begins there."""
        counters, often = self._state.counters, self._config.val_frequency
        at_end = counters.step == total_steps
        due = counters.step > 0 and (at_end or (often > 0 and counters.step % often == 0))
        if self._validation is None or not due or counters.validated_step == counters.step:
            return
        self._saving.save()  # before anything else can fail
        if not at_end:
            self._saving.keep_room()
        result = self._figures(progress, stop)
        if result is None:
            return
        after = replace(counters, validated_step=counters.step)
        reached, before = self._validation.score(result), counters.best_score
        best = reached is not None and (before is None or reached > before)
        if best:
            after = replace(after, best_score=reached, best_step=counters.step)
        self._saving.log_validation(result, after, best)
        self.last = result
        for text in summary(counters.step, result):
            progress.say(text)

    def _figures(self, progress: Progress, stop: StopRequest) -> dict[str, Any] | None:
        """The figures; None when asked to stop, or when it failed, which ends no training."""
        try:
            with self._state.averaged():
                result = self._validation.run(self._state.model, lambda: bool(stop))
        except Exception as error:
            self.failed = failure(self._state.counters.step, error)
            progress.say(self.failed)
            return None
        self.failed = None
        return result
