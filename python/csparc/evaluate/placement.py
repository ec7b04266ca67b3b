"""Where weights lie against known places: areas under the ROC curve, and the pointing game."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from csparc._repr import fields_line, line
from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import mean_known

_CELLS = 1 << 20
"""Words times patches that are ranked at a time."""


@dataclass(frozen=True)
class Places:
    """The patches of what T words name, and those to compare them with."""

    inside: np.ndarray
    """Bool [T, P]: the patches of the object that the word names."""
    others: np.ndarray
    """Bool [T, P]: the patches of all other objects of the picture."""
    named: np.ndarray
    """Bool [T, P]: the patches of those other objects that the same caption names, too."""
    objects: np.ndarray
    """Int [T]: objects of the picture that have a patch."""

    __repr__ = fields_line

    def take(self, rows: np.ndarray) -> Places:
        """The same of some of the words, by number or as bool [T]."""
        return Places(*(getattr(self, field.name)[rows] for field in fields(self)))


class PlaceScores(dict):
    """The figures of `place_scores`, some of them with what each word gave.

    ``of_words``: per cent [T] of the figures ``auc``, ``auc_named``, ``auc_all`` and ``pointing``,
    nan of a word that is not among those they are over; ``pictures`` [T]: the picture of each word.
    Neither is among the figures.
    """

    of_words: dict[str, np.ndarray] | None = None
    pictures: np.ndarray | None = None

    def __repr__(self) -> str:
        return line(self, n=self.get("n"), auc=self.get("auc"), pointing=self.get("pointing"))

    def measured(self, **config: Any) -> dict[str, Figure]:
        """The figures of ``of_words`` beside their chance; ``config`` as of `Figure`."""
        found = {}
        for name, values in (self.of_words or {}).items():
            known = ~np.isnan(values)
            owners = None if self.pictures is None else self.pictures[known]
            chance = self["pointing_chance" if name == "pointing" else "auc_chance"]
            found[name] = Figure(
                self[name], int(known.sum()), chance, config, values[known], pictures=owners
            )
        return found


def place_scores(
    weights: np.ndarray, places: Places, pictures: np.ndarray | None = None
) -> PlaceScores:
    """How well weights [T, P] of T words pick out the object that each names, each of which is in
    one of the ``pictures`` [T].

    Returns
    -------
    PlaceScores, a dict
        Three areas under the ROC curve, in per cent, each the mean over words of the probability
        that a patch of the own object weighs more than another patch (ties count half), chance 50
        (``auc_chance``): ``auc`` against the patches of all other objects, ``auc_named`` against
        those of the objects that the same caption also names (words that all weigh the patches as
        their sentence does get 50), ``auc_all`` against all other patches, the ground
        included; over ``n``, ``n_named`` and ``n_all`` words.
        ``pointing``, ``pointing_chance``, ``n_pointing`` as `alignment_scores`;
        ``pointing_object_chance``: what the heaviest patch would score on an object drawn at
        random. Figures over no word are nan.

    Notes
    -----
    Time T P log P; a few arrays of a million numbers at a time.
    """
    weights, inside = np.asarray(weights, dtype=np.float64), places.inside
    names = ("auc", "auc_named", "auc_all")
    against = (places.others, places.named, ~inside)
    result, items = PlaceScores(), {}
    for name, areas in zip(names, _areas(weights, inside, against)):
        items[name] = 100.0 * areas
        result[name] = mean_known(items[name])
        result[name.replace("auc", "n")] = int((~np.isnan(areas)).sum())
    result["auc_chance"] = 50.0
    items["pointing"], scores = _pointing(weights, inside)
    result |= scores
    own = places.objects[inside.any(axis=1)]
    result["pointing_object_chance"] = 100.0 * mean_known(1 / own.astype(np.float64))
    result.of_words, result.pictures = items, pictures
    return result


def alignment_scores(weights, inside, outside=None) -> dict:
    """Where the selected patches lie: area under the ROC curve, and the pointing game.

    Parameters
    ----------
    weights : array [T, P]
        Alignment weights of T words.
    inside : bool array [T, P]
        The patches that show what the word names.
    outside : bool array [T, P], optional
        The patches it is compared with, such as those of the other objects; default the rest.

    Returns
    -------
    dict
        ``auc``: mean probability (in per cent, ties count half) that a patch inside weighs more
        than one outside, chance 50. ``pointing``: per cent of words whose heaviest patch (the
        first on a tie) lies inside, over ``n_pointing`` words with an inside; ``pointing_chance``:
        the mean share of patches that is inside. ``n``: the words with an inside and an outside,
        which the area is over. Figures over no word are nan.
    """
    weights = np.asarray(weights, dtype=np.float64)
    inside = np.asarray(inside, dtype=bool)
    outside = ~inside if outside is None else np.asarray(outside, dtype=bool)
    if weights.ndim != 2 or inside.shape != weights.shape or outside.shape != weights.shape:
        raise ValueError(
            "expected weights, inside and outside of one shape [words, patches], got "
            f"{weights.shape}, {inside.shape}, {outside.shape}"
        )
    areas = _areas(weights, inside, (outside,))[0]
    found = {"auc": 100.0 * mean_known(areas), "n": int((~np.isnan(areas)).sum())}
    return found | _pointing(weights, inside)[1]


def _pointing(weights: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """The pointing game of weights [T, P], over the words that have an inside: per cent of each
    word [T], nan of the others, and the figures."""
    named = inside.any(axis=1)
    heaviest = weights.argmax(axis=1) if weights.size else np.zeros(len(weights), np.int64)
    points = inside[np.arange(len(weights)), heaviest] if weights.size else named
    items = np.where(named, 100.0 * points, np.nan)
    return items, {
        "pointing": mean_known(items),
        "pointing_chance": 100.0 * mean_known(inside[named].mean(axis=1)),
        "n_pointing": int(named.sum()),
    }


def _areas(
    weights: np.ndarray, inside: np.ndarray, against: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """The area [T] of each word for each of ``against``; nan where a side has no patch.

    A patch inside wins against as many patches outside as lie below it in the order of weights,
    and half of those that weigh the same: counts of a sorted row, at the ends of its runs of ties.
    """
    count, width = weights.shape
    found = [np.full(count, np.nan) for _ in against]
    step = max(1, _CELLS // max(1, width))
    for first in range(0, count, step):
        here = slice(first, min(first + step, count))
        order = np.argsort(weights[here], axis=1)
        starts, ends = _runs(np.take_along_axis(weights[here], order, axis=1))
        own = np.take_along_axis(inside[here], order, axis=1)
        for areas, outside in zip(found, against):
            other = np.take_along_axis(outside[here], order, axis=1)
            below = np.pad(other.cumsum(axis=1), ((0, 0), (1, 0)))
            wins = np.take_along_axis(below, starts, 1) + np.take_along_axis(below, ends, 1)
            pairs = own.sum(axis=1) * other.sum(axis=1)
            np.divide((own * wins).sum(axis=1) / 2, pairs, out=areas[here], where=pairs > 0)
    return found


def _runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place of sorted rows [T, P], where its run of equal values starts and ends."""
    width = rows.shape[1]
    places = np.arange(width)
    new = np.ones(rows.shape, dtype=bool)
    new[:, 1:] = rows[:, 1:] != rows[:, :-1]
    last = np.ones(rows.shape, dtype=bool)
    last[:, :-1] = new[:, 1:]
    starts = np.maximum.accumulate(np.where(new, places, 0), axis=1)
    ends = np.minimum.accumulate(np.where(last, places + 1, width)[:, ::-1], axis=1)[:, ::-1]
    return starts, ends
