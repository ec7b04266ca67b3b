"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from csparc._repr import fields_line
from csparc.checkpoint.metadata import Counters


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    counters: Counters
    validation: dict[str, Any] | None
    """The last validation of this process, of a `csparc.fit` that stopped early that of the best
    weights: the figures of `csparc.evaluate.evaluate_retrieval`, and ``val/TASK/FIGURE`` of the
    tasks that were named."""
    validation_failed: str | None
    """Why the last validation failed, None where it did not: training goes on, and the step it was
    due after is validated again when the run is resumed there."""
    interrupted: str | None
    """"Ctrl-C", "SIGTERM" or the name of another signal when that ended the run early."""
    log: list[dict[str, float]]
    """The lines of the log, when there is no ``out`` to hold them."""
    stopped_early: bool = False
    """Whether ``early_stop`` ended the run."""

    __repr__ = fields_line
