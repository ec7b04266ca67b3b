"""Intervals of figures: their items are drawn again, all those of a picture together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from csparc import _random
from csparc._arrays import describe
from csparc._scalars import number, whole_number
from csparc.evaluate.figure import Figure, mean

__all__ = ["LEVEL", "bootstrap", "interval_of"]

LEVEL = 95.0
"""Per cent of the draws that an interval holds, where nothing else is said."""
_STREAM = int.from_bytes(b"redrawn", "big")


def bootstrap(
    values,
    statistic: Callable[[np.ndarray], float] | None = None,
    *,
    pictures=None,
    samples: int = 1000,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[float, float]:
    """The percentile interval of a figure, from draws of its pictures with replacement.

    Captions and words of one picture are no independent items: a draw takes as many pictures as
    there are, each as often as it comes, with everything that belongs to it.

    Parameters
    ----------
    values : array [n, ...]
        What each item gave.
    statistic : callable, optional
        The figure of items [m, ...]; default their mean, which needs values [n]. Draws for which
        it is nan are left out.
    pictures : integer array [n], optional
        The picture of each item; default every item is a picture.
    samples : int
        Draws.
    seed : int
        Draws are a function of it and of the number of pictures alone, so that the figures of two
        models on the same pictures see the same draws.
    level : float
        Per cent of the draws that lie within.

    Returns
    -------
    (low, high) : floats
        nan where there are no items.

    Raises
    ------
    ValueError
        Shapes that do not fit, or a number out of range.

    Notes
    -----
    One call of ``statistic`` a draw; of the default n + samples * pictures additions.
    The interval says how much a figure depends on which pictures were asked about. What was drawn
    before, such as the seed a model was trained with, and the candidates that the pictures of a
    retrieval are ranked among, stay as they are.
    """
    items = np.asarray(values)
    whole_number(samples, "samples", low=1)
    number(level, "level", above=0, below=100)
    if items.ndim == 0 or (statistic is None and items.ndim != 1):
        raise ValueError(
            f"values: expected an array [n], or with a statistic [n, ...], found {describe(items)}"
        )
    owner = np.arange(len(items)) if pictures is None else np.asarray(pictures)
    if owner.shape != (len(items),):
        raise ValueError(
            f"pictures: expected the picture of each of {len(items)} values, found "
            f"{describe(owner)}"
        )
    if not len(items):
        return float("nan"), float("nan")
    _, place = np.unique(owner, return_inverse=True)
    redrawn = _redrawn_means if statistic is None else _Redrawn(statistic)
    found = redrawn(items, place, samples, seed)
    found = found[~np.isnan(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.percentile(found, [50 - level / 2, 50 + level / 2])
    return float(low), float(high)


def interval_of(figure: Figure, samples: int, seed: int = 0) -> tuple[float, float] | None:
    """The `bootstrap` interval of a figure; None where nobody kept what its items gave."""
    if figure.items is None or not len(figure.items):
        return None
    statistic = None if figure.statistic is mean else figure.statistic
    return bootstrap(figure.items, statistic, pictures=figure.pictures, samples=samples, seed=seed)


def _drawn(seed: int, sample: int, count: int) -> np.ndarray:
    """As many of ``count`` pictures as there are, with replacement."""
    return _random.integers(seed, (_STREAM, sample), count, count)


def _redrawn_means(items: np.ndarray, place: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """The mean of each draw [samples], from the sum and the number of items of each picture."""
    sums, counts = np.bincount(place, items), np.bincount(place)
    found = np.empty(samples)
    for sample in range(samples):
        drawn = _drawn(seed, sample, len(counts))
        found[sample] = sums[drawn].sum() / counts[drawn].sum()
    return found


class _Redrawn:
    """Any statistic of each draw [samples]."""

    def __init__(self, statistic: Callable[[np.ndarray], float]) -> None:
        self.statistic = statistic

    def __call__(self, items: np.ndarray, place: np.ndarray, samples: int, seed: int) -> np.ndarray:
        order = np.argsort(place, kind="stable")
        counts = np.bincount(place)
        starts = np.cumsum(counts) - counts
        found = np.empty(samples)
        for sample in range(samples):
            drawn = _drawn(seed, sample, len(counts))
            sizes = counts[drawn]
            # Row r of the draw is the (r - first row of its picture)th of that picture.
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            rows = order[np.repeat(starts[drawn], sizes) + within]
            found[sample] = self.statistic(items[rows])
        return found
