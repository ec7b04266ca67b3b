"""Whether a run has gone on for long enough without getting better."""

from __future__ import annotations

from csparc.checkpoint.metadata import Counters
from csparc.trainer.config import TrainConfig


def out_of_patience(config: TrainConfig, counters: Counters) -> bool:
    """Whether the last validation came ``config.early_stop`` validations or more after the best.

    It is counted in steps, so that a checkpoint says it: a validation that failed counts, too.
    """
    if config.early_stop is None or counters.best_step < 0:
        return False
    waited = counters.validated_step - counters.best_step
    return waited >= config.early_stop * config.val_frequency


def told(config: TrainConfig, counters: Counters) -> str:
    """What a run that stops says."""
    return (
        f"early stop after step {counters.step}: no better score than {counters.best_score:.4g} at "
        f"step {counters.best_step} in {config.early_stop} validations"
    )
