"""Loss curves: of a unit in few numbers, which its line keeps, and of two settings over the seeds
both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._repr import line
from csparc.study.report import Report
from csparc.viz.curves import curve

POINTS = 200
"""A line keeps no more of them."""
SMOOTHED = 10
"""Points a smoothed one is the mean of."""
_DIGITS = 6


def shortened(log: Sequence[dict]) -> dict[str, Any] | None:
    """The loss of a log as ``{"every": n, "loss": [...]}``: means of n steps each, at most `POINTS`
    of them; the steps of a last stretch that is shorter are left out. None without a step."""
    _, values = curve(log, "loss")
    if not len(values):
        return None
    every = -(-len(values) // POINTS)
    whole = values[: len(values) // every * every].reshape(-1, every)
    return {"every": every, "loss": [float(f"{x:.{_DIGITS}g}") for x in whole.mean(axis=1)]}


@dataclass(frozen=True)
class ComparedCurves:
    """The smoothed losses of two settings, S seeds by T steps."""

    first: str
    second: str
    seeds: tuple[int, ...]
    window: int
    """Steps that a smoothed loss is the mean of."""
    steps: np.ndarray
    """[T], the last one of each window."""
    first_losses: np.ndarray
    """[S, T]"""
    second_losses: np.ndarray
    """[S, T]"""

    def __repr__(self) -> str:
        return line(self, self.first, self.second, seeds=len(self.seeds), steps=len(self.steps))

    @property
    def difference(self) -> np.ndarray:
        """Mean of the first minus mean of the second, [T]."""
        return self.first_losses.mean(axis=0) - self.second_losses.mean(axis=0)

    @property
    def deviation(self) -> np.ndarray | None:
        """Standard deviation over seeds (ddof 1), pooled over both settings, [T]; None of one."""
        if len(self.seeds) < 2:
            return None
        both = (self.first_losses, self.second_losses)
        return np.sqrt(np.mean([losses.var(axis=0, ddof=1) for losses in both], axis=0))

    def summary(self) -> dict[str, Any]:
        """Where the means lie farthest apart and the ``deviation`` there, the root mean square of
        their difference as a share of the deviation's, and the means of the ``last`` losses."""
        apart, deviation = self.difference, self.deviation
        place = int(np.abs(apart).argmax())
        share = None
        if deviation is not None and deviation.any():
            share = float(np.linalg.norm(apart) / np.linalg.norm(deviation))
        return {
            "first": self.first, "second": self.second, "n": len(self.seeds),
            "window": self.window, "largest": float(apart[place]), "step": int(self.steps[place]),
            "deviation": None if deviation is None else float(deviation[place]),
            "share_of_deviation": share,
            "last": [float(each[:, -1].mean()) for each in (self.first_losses, self.second_losses)],
        }  # fmt: skip


def compared_curves(found: Report) -> Iterator[ComparedCurves]:
    """Of every comparison of a study the curves over the seeds that both settings have, where these
    have some of the same steps."""
    by_unit = {(one["setting"], one["seed"]): one["curve"] for one in found.lines
               if one.get("curve")}  # fmt: skip
    for first, second in found.study.comparisons:
        seeds = [seed for seed in found.study.seeds
                 if (first, seed) in by_unit and (second, seed) in by_unit]  # fmt: skip
        curves = [[by_unit[name, seed] for seed in seeds] for name in (first, second)]
        shapes = {(one["every"], len(one["loss"])) for each in curves for one in each}
        if len(shapes) == 1:
            ((every, _),) = shapes
            yield _smoothed(first, second, tuple(seeds), every, *curves)


def _smoothed(
    first: str, second: str, seeds: tuple[int, ...], every: int, *curves: list[Mapping[str, Any]]
) -> ComparedCurves:
    losses = [np.array([one["loss"] for one in each]) for each in curves]
    points = min(SMOOTHED, losses[0].shape[1])
    means = [np.lib.stride_tricks.sliding_window_view(each, points, axis=1).mean(axis=2)
             for each in losses]  # fmt: skip
    steps = every * np.arange(points, losses[0].shape[1] + 1)
    return ComparedCurves(first, second, seeds, every * points, steps, *means)
