"""Measures of evaluation called with odd arrays: figures within their range, or a refusal."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_bytes import complaint
from fuzz_runs import REFUSED, TAKEN, Wrong

from csparc import evaluate
from csparc.evaluate.figure import Figure
from csparc.evaluate.hardneg.measures import blind_accuracy
from csparc.evaluate.segmentation.overlap import areas, mean_of_classes, mean_of_images

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-300, 1e300, 3.5e38)
OTHER_TYPES = ("f2", "f4", ">f8", "i4", "u1", "?", "c8", "O", "U4")
TEXTS = (
    "a red dog",
    "A dog's hat.",
    "",
    " ",
    "the the",
    "犬 が 走る",
    "a\u200db",
    "cat",
    "\0",
    "a, an",
)


class Draw:
    """Arrays of fitting shapes, of which ``odd`` are of another shape or type, or hold a number
    that is none."""

    def __init__(self, rng: np.random.Generator, odd: float) -> None:
        self.rng, self.odd = rng, odd

    def chance(self) -> bool:
        return bool(self.rng.random() < self.odd)

    def size(self, least: int = 0) -> int:
        return int(self.rng.integers(least, 6))

    def array(self, *shape: int) -> np.ndarray:
        """Whole numbers from a few, so that some are equal, or normal ones."""
        if self.chance():
            shape = (*shape[1:], 2) if self.rng.random() < 0.5 else shape[1:]
        tied = self.rng.random() < 0.5
        made = self.rng.integers(-2, 3, shape) if tied else self.rng.normal(size=shape)
        values = np.array(made, np.float64)
        if values.size and self.chance():
            values.flat[self.rng.integers(values.size)] = self.rng.choice(SPECIAL)
        return self.typed(values)

    def whole(self, low: int, high: int, *shape: int) -> np.ndarray:
        values = self.rng.integers(low, max(low + 1, high), shape)
        if values.size and self.chance():
            values.flat[0] = self.rng.choice([-7, 99, 2**31, -(2**62)])
        return self.typed(values)

    def typed(self, values: np.ndarray) -> np.ndarray:
        if not self.chance():
            return values
        return values.astype(OTHER_TYPES[self.rng.integers(len(OTHER_TYPES))])

    def texts(self, count: int) -> list[str]:
        return [TEXTS[self.rng.integers(len(TEXTS))] for _ in range(count)]


def retrieval(draw: Draw) -> Any:
    images, texts, width = draw.size(1), draw.size(), draw.size(1)
    return evaluate.evaluate_retrieval(
        draw.array(images, width), draw.array(texts, width), draw.whole(0, images, texts)
    )


def zero_shot(draw: Draw) -> Any:
    pictures, classes, width = draw.size(), draw.size(1), draw.size(1)
    labels = draw.whole(0, classes, pictures)
    if draw.rng.random() < 0.3:
        labels = draw.rng.random((pictures, classes)) < 0.5
    return evaluate.evaluate_zero_shot(
        draw.array(pictures, width), draw.array(width, classes), labels
    )


def matching(draw: Draw) -> Any:
    count = draw.size()
    return evaluate.evaluate_matching(draw.array(count), draw.array(count))


def pairs(draw: Draw) -> Any:
    return evaluate.evaluate_pairs(draw.array(draw.size(), 2, 2))


def blind(draw: Draw) -> Any:
    count = draw.size()
    return blind_accuracy(draw.texts(count), draw.texts(count + draw.chance()), True)


def overlap(draw: Draw) -> Any:
    classes, height, width = draw.size(1), draw.size(), draw.size()
    background = ("false", "ignored", "class")[draw.rng.integers(3)]
    found = np.stack([
        areas(draw.whole(0, classes + 1, height, width), draw.whole(-1, classes + 1, height, width),
              classes, background)
        for _ in range(1 + draw.size())
    ])  # fmt: skip
    if not found[:, 0].min(initial=0) >= 0 or (found[:, 1:] < found[:, :1]).any():
        raise Wrong(f"areas {found}")
    return {"images": mean_of_images(found), "classes": mean_of_classes(found)}


def words(draw: Draw) -> Any:
    counts, articles = ("multiset", "set", 3), ("drop", "keep", None)
    say = draw.texts(1 + draw.size())
    which = 3 if draw.odd else 2
    return 100 * evaluate.k_precision(
        say[0], say[1:], articles[draw.rng.integers(which)], counts[draw.rng.integers(which)]
    )


def interval(draw: Draw) -> Any:
    count = draw.size()
    owner = draw.whole(0, 3, count) if draw.rng.random() < 0.5 else None
    samples = draw.size(-1 if draw.odd else 1)
    low, high = evaluate.bootstrap(draw.array(count), pictures=owner, samples=samples)
    if low > high:
        raise Wrong(f"an interval from {low} to {high}")
    return {}


def placement(draw: Draw) -> Any:
    count, patches = draw.size(), draw.size()
    inside, outside = (draw.rng.random((count, patches)) < 0.4 for _ in range(2))
    more = {"outside": draw.typed(outside & ~inside)} if draw.rng.random() < 0.5 else {}
    return evaluate.alignment_scores(draw.array(count, patches), draw.typed(inside), **more)


def variance(draw: Draw) -> Any:
    return evaluate.variance_explained(draw.array(draw.size(), draw.size(), draw.size()))


MEASURES: tuple[Callable[[Draw], Any], ...] = (
    retrieval, zero_shot, matching, pairs, blind, overlap, words, interval, placement, variance,
)  # fmt: skip
MOST = 100 + 1e-9
"""Per cent, and what rounding adds."""
NO_SHARES = ("rank", "n_")
"""Parts of the names of what is no per cent."""


class Generator:
    def __init__(self, folder: Path) -> None:
        assert list(folder.iterdir()) == []

    def case(self, rng: np.random.Generator) -> str:
        measure = MEASURES[rng.integers(len(MEASURES))]
        draw = Draw(rng, 0.1 if rng.random() < 0.5 else 0.0)
        try:
            found = measure(draw)
        except (ValueError, TypeError) as error:
            if wrong := complaint(error):
                raise Wrong(f"{measure.__name__}: {wrong}") from error
            return REFUSED
        for name, value in _values(found):
            shares = not any(part in name for part in NO_SHARES)
            if math.isinf(value) or (shares and not math.isnan(value) and not 0 <= value <= MOST):
                raise Wrong(f"{measure.__name__}: {name} is {value}")
        return TAKEN


def _values(found: Any, name: str = "value") -> Iterator[tuple[str, float]]:
    """Every number in what a measure returns, with its name."""
    if isinstance(found, Figure):
        found = {"value": found.value, "chance": found.chance}
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _values(value, f"{name} {key}")
    elif isinstance(found, numbers.Real):
        yield name, float(found)
