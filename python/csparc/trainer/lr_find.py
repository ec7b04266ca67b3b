"""Which learning rate to train with: the loss while the rate rises (arXiv 1506.01186)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._progress import Progress
from csparc._repr import fields_line
from csparc._scalars import number, positive, whole_number
from csparc.errors import TrainingError
from csparc.trainer.step import Step
from csparc.viz.curves import smooth

if TYPE_CHECKING:
    from csparc.optim import AdamW

STEPS, LR_MIN, LR_MAX = 100, 1e-7, 1.0
DIVERGED = 4.0
"""The run ends where the smoothed loss is so many times its least value."""
LEAST_FALL = 0.02
"""By what share of its first value the smoothed loss must fall for a rate to be suggested."""


@dataclass(frozen=True)
class LearningRates:
    """The loss at each learning rate of a trial.

    The trial ends at ``lr_max``, or where a rate is beyond all sense: the loss has grown, a number
    was not finite, or a step moves the numbers of a weight matrix, by about the rate each, as far
    as they are from 0 (of the median of the matrices, in root mean square).

    Attributes
    ----------
    lr, loss, smoothed : list of float
        One of each a step; ``smoothed`` is an exponential average over about a twentieth of them.
    suggestion : float or None
        A tenth of the rate at which the smoothed loss was least: near that rate training is about
        to break. None where no rate lowered the loss.
    ended : {"at lr_max", "the loss grew", "a step replaces the weights", "a number was not finite"}
    """

    lr: list[float]
    loss: list[float]
    smoothed: list[float]
    suggestion: float | None
    ended: str

    __repr__ = fields_line

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def rates(steps: int, lr_min: float, lr_max: float) -> np.ndarray:
    """``steps`` learning rates from ``lr_min`` to ``lr_max``, each the same factor above the last.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.
    """
    whole_number(steps, "steps", low=2)
    positive(lr_min, "lr_min")
    number(lr_max, "lr_max", above=lr_min)
    return np.geomspace(lr_min, lr_max, steps)


def trial(
    step: Step, batches: Callable[[], list[dict[str, Any]]], lrs: np.ndarray, progress: Progress
) -> LearningRates:
    """Train a step at each rate.

    Parameters
    ----------
    step : Step
        With an optimiser of its own.
    batches : callable
        Gives the slices of the next step.
    lrs : float [N]
        From `rates`.
    progress : Progress

    Raises
    ------
    TrainingError
        A number was not finite in the first step.
    """
    losses: list[float] = []
    ended, limit = "at lr_max", _size_of_weights(step.optimizer)
    progress.begin(0, len(lrs))
    for count, lr in enumerate(lrs.tolist(), 1):
        if losses and lr > limit:
            # Nothing learned is left. A model that knows nothing may have a lower loss than one
            # that has just begun, so the loss would not tell.
            ended = "a step replaces the weights"
            break
        try:
            losses.append(step.run(count, batches(), lr)["loss"])
        except TrainingError:
            if not losses:
                raise
            ended = "a number was not finite"
            break
        progress.to(count, len(lrs), f"lr {lr:.2g}, loss {losses[-1]:.3f}")
        if grown(losses, len(lrs)):
            ended = "the loss grew"
            break
    return judged(lrs[: len(losses)].tolist(), losses, len(lrs), ended)


def _size_of_weights(optimizer: AdamW) -> float:
    """Median root mean square of the matrices that are trained; infinite where none is."""
    trained = [p.data for p in optimizer.parameters.values() if p.requires_grad and p.data.ndim > 1]
    sizes = [float(np.sqrt(np.mean(np.square(data, dtype=np.float64)))) for data in trained]
    return float(np.median([size for size in sizes if size > 0] or [math.inf]))


@contextmanager
def restored(optimizer: AdamW) -> Iterator[None]:
    """While this context is open the parameters may change; afterwards they are what they were."""
    before = {name: p.data.copy() for name, p in optimizer.parameters.items()}
    try:
        yield
    finally:
        for name, parameter in optimizer.parameters.items():
            np.copyto(parameter.data, before[name])
            parameter.zero_grad()


def grown(losses: list[float], steps: int) -> bool:
    """Whether the smoothed loss is beyond what it comes back from."""
    found = smoothed(losses, steps)
    least = float(found.min())
    return least > 0 and found[-1] > DIVERGED * least


def smoothed(losses: list[float], steps: int) -> np.ndarray:
    """An exponential average over about a twentieth of all ``steps``."""
    return smooth(np.array(losses), max(1, steps // 20))


def judged(lrs: list[float], losses: list[float], steps: int, ended: str) -> LearningRates:
    """What a trial of at most ``steps`` steps says."""
    found = smoothed(losses, steps)
    suggestion = None
    if len(found) > 1:
        least = int(np.argmin(found))
        if found[0] - found[least] > LEAST_FALL * abs(found[0]):
            suggestion = _rounded(lrs[least] / 10)
    return LearningRates(lrs, losses, found.tolist(), suggestion, ended)


def _rounded(value: float) -> float:
    """To one digit: more would say what nobody measured."""
    return round(value, -math.floor(math.log10(value)))
