"""What a segmentation adds up over pictures: by every convention, in both orders, and controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from csparc import _random
from csparc.data.regions import VOID
from csparc.evaluate.figure import Figure
from csparc.evaluate.segmentation.names import Names
from csparc.evaluate.segmentation.overlap import (
    CONVENTIONS,
    Convention,
    areas,
    class_overlaps,
    statistic,
)
from csparc.evaluate.segmentation.upsampling import ORDERS, inside, majority, pixel_labels
from csparc.evaluate.segmentation.views import Scored

ORACLE = "oracle_patches"
"""The best that labels of patches can do, as `majority` gives them."""
_RANDOM = int.from_bytes(b"segments", "big") >> 1
_DRAWS = 4


class Sums:
    """The areas of every picture, by each of the `CONVENTIONS`, in both orders, of random labels
    and of the best labels of patches; ``told`` is recorded beside each figure."""

    def __init__(
        self, names: Names, scale: float, threshold: float, told: Mapping[str, Any] | None = None
    ) -> None:
        self.names, self.scale, self.threshold = names, scale, threshold
        self.told = told or {}
        kinds = (*ORDERS, "random", ORACLE)
        self._items: dict[str, dict[str, list[np.ndarray]]] = {
            one.name: {kind: [] for kind in kinds} for one in CONVENTIONS
        }
        self.pictures = self.without = 0

    def add(self, item: int, scored: Scored, truth: np.ndarray, grid: tuple[int, int]) -> None:
        """Take in picture ``item`` with its labels [H, W]."""
        seen = np.where(inside(scored.window, truth.shape), truth, VOID)
        shown = np.unique(seen[seen > 0])
        self.pictures += 1
        self.without += not len(shown)
        for order in ORDERS:
            labels = scored.labels(order, lambda s: self._decided(s, shown), truth.shape)
            for place, one in enumerate(CONVENTIONS):
                if _counts(one, shown):
                    self._put(one, order, labels[..., place], seen)
        for one in filter(lambda one: _counts(one, shown), CONVENTIONS):
            for draw in range(_DRAWS):
                random = self._random(one, shown, grid, (item, draw))
                self._put(one, "random", pixel_labels(random, scored.window, truth.shape), seen)
            self._put_oracle(one, scored, seen, grid)

    def _put(self, one: Convention, kind: str, labels: np.ndarray, truth: np.ndarray) -> None:
        found = areas(labels, truth, self.names.classes, one.background)
        self._items[one.name][kind].append(found)

    def _put_oracle(
        self, one: Convention, scored: Scored, truth: np.ndarray, grid: tuple[int, int]
    ) -> None:
        """Of labels of patches by the majority with and without the background the better one."""
        tries = []
        for ground in (False,) if one.background == "ignored" else (True, False):
            patches = majority(truth, scored.window, grid, ground)
            labels = pixel_labels(patches, scored.window, truth.shape)
            tries.append(areas(labels, truth, self.names.classes, one.background))
        best = max(tries, key=lambda found: statistic(one)(found[None]))
        self._items[one.name][ORACLE].append(best)

    def _decided(self, scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Labels [..., conventions] of scores [M, ...]: each convention's candidates decide."""
        best = self.names.best(scores)
        own = best[: self.names.classes]
        first = own.argmax(axis=0)
        present = shown[best[shown - 1].argmax(axis=0)] if len(shown) else np.zeros_like(first)
        exponents = np.exp(self.scale * (own - own.max(axis=0)))
        likely = exponents.max(axis=0) / exponents.sum(axis=0) >= self.threshold
        among_all = best.argmax(axis=0)
        labels = {
            "classes": first + 1,
            "present": present,
            "threshold": np.where(likely, first + 1, 0),
            "extended": np.where(among_all < self.names.classes, among_all + 1, 0),
        }
        return np.stack([labels[one.candidates] for one in CONVENTIONS], axis=-1)

    def _random(
        self, one: Convention, shown: np.ndarray, grid: tuple[int, int], stream: tuple[int, int]
    ) -> np.ndarray:
        """Labels of patches, each of the convention's candidates as likely as any."""
        K = self.names.classes
        candidates = {
            "classes": np.arange(1, K + 1),
            "present": shown,
            "threshold": np.arange(K + 1),
            "extended": np.array([*range(1, K + 1), *[0] * (self.names.total - K)]),
        }[one.candidates]
        drawn = _random.integers(0, (_RANDOM, *stream), grid[0] * grid[1], len(candidates))
        return candidates[drawn].reshape(grid)

    def figures(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """By convention a `Figure` an order, and that of the best labels of patches; the overlap of
        each class; and how many pictures show no class."""
        found: dict[str, Any] = {}
        for one in CONVENTIONS:
            kinds, make = self._items[one.name], statistic(one)
            stacked = {kind: np.array(some) for kind, some in kinds.items()}
            chance = make(stacked["random"]) if len(stacked["random"]) else None
            found[one.name] = {
                kind: Figure(make(items) if len(items) else float("nan"), len(items), chance,
                             {"convention": one.about, **self.told}, items, make)
                for kind, items in stacked.items() if kind != "random"
            }  # fmt: skip
        overlaps = class_overlaps(np.array(self._items["foreground"][ORDERS[0]]))
        found["classes"] = {name: 100.0 * float(v) for name, v in zip(classes, overlaps)}
        return found | {"without_class": self.without}


def _counts(one: Convention, shown: np.ndarray) -> bool:
    """Whether a picture that shows these classes has a part in a figure."""
    if one.candidates == "present":
        return len(shown) >= 2
    return one.background == "class" or len(shown) > 0
