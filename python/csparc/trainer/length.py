"""How many steps a run has, where its data decide that."""

from __future__ import annotations

import warnings

from csparc._progress import Progress
from csparc.data import Dataset
from csparc.data.loading.alternating import AlternatingLoader
from csparc.data.loading.loader import Loader
from csparc.losses import Loss
from csparc.trainer.config import TrainConfig
from csparc.trainer.senseless import nothing_to_learn


def plan_steps(
    config: TrainConfig,
    loss: Loss,
    data: Dataset,
    loader: Loader | AlternatingLoader,
    done: int,
    progress: Progress,
) -> int:
    """All steps of a run of which ``done`` are done, and what they should be told that begin it.

    Epochs that avoid duplicates are planned, for which every picture is read once. Warns in the
    name of the caller's caller of a run that would learn nothing.
    """
    steps = most = config.total_steps(data.epoch_length)
    if config.needs_plan:
        progress.say("reading every picture once, to plan epochs without duplicates")
        steps = config.total_steps(data.epoch_length, loader.batches_in)
        progress.say(f"{steps} steps, of {most} if no duplicates were kept apart")
    if done >= steps:
        progress.say(f"nothing is left of the {steps} steps")
        return steps
    senseless = nothing_to_learn(config, loss, steps, data.has_hard_negatives)
    if senseless is not None:
        warnings.warn(senseless, stacklevel=3)
    return steps
