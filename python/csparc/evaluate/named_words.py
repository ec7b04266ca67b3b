"""The words of captions that name a known region of the picture, and where that region lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csparc._repr import fields_line
from csparc.data.regions import Grid, Mention, Regions, Window
from csparc.data.report import BadItem
from csparc.evaluate.placement import Places, place_scores

if TYPE_CHECKING:
    from csparc.data.dataset import Dataset

Frame = Callable[[int, int], Window]
"""From height and width of a picture to the part of it that a model is shown."""
GROUPS = ("NOUN", "ADJ", "COLOUR", "PHRASE")
"""Kinds of words that name a region, in the order in which they are told; others follow. Of the
adjectives (colours, sizes, textures) the colours count once more by themselves."""

SUPERVISED = {
    "NOUN": {"auc": 88.0, "auc_named": 88.0, "auc_all": 99.0, "pointing": 87.0},
    "COLOUR": {"auc": 92.0, "auc_named": 92.0, "auc_all": 99.0, "pointing": 90.0},
    "source": (
        "measured once, with the convolutional stem trained on the objects’ own masks (tier M, "
        "64 px, patches of 8 px)"
    ),
}
"""What `place_scores` gives where the places themselves were taught: what scenes and patches allow,
as far as anybody has tried. csparc's own measurement, of one seed."""


@dataclass(frozen=True)
class Named:
    """Words that name a region, or several: characters ``start`` to ``stop`` of the caption, the
    words, the `GROUPS` they are of, the patches [P] (bool) of what they name, those of all other
    regions, of which ``named`` are of regions that the caption names too, and how many regions
    have a patch (those named together count once)."""

    start: int
    stop: int
    text: str
    groups: tuple[str, ...]
    inside: np.ndarray
    outside: np.ndarray
    named: np.ndarray
    objects: int

    __repr__ = fields_line


@dataclass(frozen=True)
class WordPlaces:
    """The words of many pairs that name a region: the pair and the picture of each, its rows among
    the weights of that pair, the `GROUPS` it is of, and the patches of its region."""

    pairs: list[int]
    pictures: np.ndarray
    rows: list[list[int]]
    groups: list[tuple[str, ...]]
    places: Places

    __repr__ = fields_line

    def scores(self, weights: Sequence[np.ndarray]) -> dict[str, dict]:
        """`place_scores` of each of the groups that has a word, from the weights [T, P] of each
        pair; what a word, or a phrase, has in several rows is averaged."""
        if not self.pairs:
            return {}
        maps = [weights[pair][rows].mean(axis=0) for pair, rows in zip(self.pairs, self.rows)]
        stacked, found = np.array(maps), {}
        there = {group for groups in self.groups for group in groups}
        for group in (*GROUPS, *sorted(there.difference(GROUPS))):
            has = np.array([group in groups for groups in self.groups])
            if has.any():
                found[group] = place_scores(stacked[has], self.places.take(has), self.pictures[has])
        return found


def ceiling(data: Dataset, image_size: int, grid: Grid) -> dict | None:
    """`SUPERVISED`, where it was measured on such scenes and patches; else None."""
    same = (getattr(data, "tier", None), image_size, tuple(grid)) == ("M", 64, (8, 8))
    return SUPERVISED if same else None


def whole(height: int, width: int) -> Window:
    """The frame of a model that is shown the whole picture, squeezed to its input."""
    return 0.0, 0.0, float(height), float(width)


def single_object_captions(data: Dataset, item: int) -> list[tuple[int, int]]:
    """(caption, region) for the captions of a picture of several regions that speak of one only."""
    regions = regions_of(data, item)
    if len(regions.parts) < 2:
        return []
    spoken = [_spoken(regions, number) for number in range(len(data.captions(item)))]
    return [(k, next(iter(named))) for k, named in enumerate(spoken) if len(named) == 1]


def sentence_placement(
    data: Dataset,
    items: Sequence[int],
    objects: Sequence[int],
    maps: np.ndarray,
    grid: Grid,
    frame: Frame = whole,
) -> dict:
    """`place_scores` of whole sentences: ``maps[b]`` [P] of a sentence about region ``objects[b]``.
    It names no other: ``auc_named`` is over nothing."""
    found = [
        _named(shown, (own,), {own})
        for shown, own in zip((_shown(data, item, grid, frame) for item in items), objects)
    ]
    places = _places(found, grid)
    maps = np.asarray(maps).reshape(places.inside.shape)
    return place_scores(maps, places, np.asarray(items, dtype=np.int64))


def named_words(
    data: Dataset, item: int, number: int, grid: Grid, frame: Frame = whole
) -> list[Named]:
    """The words of a caption that name regions, with their patches (`Regions.shown`)."""
    regions = regions_of(data, item)
    shown = regions.shown(frame(*regions.size), grid)
    return _of_caption(data.captions(item)[number], number, regions, shown)


def regions_of(data: Dataset, item: int) -> Regions:
    """The regions of a picture; where they are broken there are none, and the picture is noted in
    ``data.problems``."""
    try:
        return data.regions(item)
    except BadItem as bad:
        data.problems.add(bad)
        return Regions((1, 1), ())


def _shown(data: Dataset, item: int, grid: Grid, frame: Frame) -> np.ndarray:
    regions = regions_of(data, item)
    return regions.shown(frame(*regions.size), grid)


def _of_caption(text: str, number: int, regions: Regions, shown: np.ndarray) -> list[Named]:
    """`named_words` of one caption, from the patches of each region [K, P]."""
    spoken = _spoken(regions, number)
    return [
        Named(one.start, one.stop, text[one.start : one.stop], one.groups,
              *_named(shown, one.regions, spoken))
        for one in _mentions(regions, number)
        if one.groups
    ]  # fmt: skip


def _named(
    shown: np.ndarray, own: tuple[int, ...], spoken: set[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The last four fields of `Named`: of regions ``own`` where a caption speaks of ``spoken``."""
    inside = shown[list(own)].any(axis=0)
    others = np.delete(shown, list(own), axis=0)
    named = shown[sorted(spoken.difference(own))].any(axis=0)
    visible = int(inside.any()) + int(others.any(axis=1).sum())
    return inside, others.any(axis=0) & ~inside, named & ~inside, visible


def word_places(
    data: Dataset,
    items: Sequence[int],
    numbers: Sequence[int],
    words: Sequence[Sequence[str]],
    grid: Grid,
    frame: Frame = whole,
) -> WordPlaces:
    """Which of the ``words[b]`` of caption ``numbers[b]`` of picture ``items[b]`` name a region.

    ``words[b]`` are words or pieces in order: the rows of the weights of that pair.
    """
    rows, pairs, groups, found = [], [], [], []
    last, texts, regions, shown = None, [], Regions((0, 0), ()), np.zeros((0, 0))
    for pair, (item, number, pieces) in enumerate(zip(items, numbers, words, strict=True)):
        if item != last:
            last, texts, regions = item, data.captions(item), regions_of(data, item)
            shown = regions.shown(frame(*regions.size), grid)
        spans = piece_spans(texts[number], pieces)
        for name in _of_caption(texts[number], number, regions, shown):
            own = [
                t for t, span in enumerate(spans) if span[0] < name.stop and span[1] > name.start
            ]
            if own:
                pairs.append(pair)
                rows.append(own)
                groups.append(name.groups)
                found.append((name.inside, name.outside, name.named, name.objects))
    pictures = np.array([items[pair] for pair in pairs], dtype=np.int64)
    return WordPlaces(pairs, pictures, rows, groups, _places(found, grid))


def _places(found: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, int]], grid: Grid) -> Places:
    """Of many words, one after another."""
    sides = list(zip(*found)) or [[], [], [], []]
    masks = (np.array(side, dtype=bool).reshape(-1, grid[0] * grid[1]) for side in sides[:3])
    return Places(*masks, np.array(sides[3], dtype=np.int64))


def piece_spans(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """First and last + 1 character of each piece in ``text``, found one after another.

    A piece that does not occur after the one before it (an unknown word) gets an empty span there.
    """
    spans, at, lower = [], 0, text.lower()
    for piece in pieces:
        bare = piece.strip().lower()
        start = lower.find(bare, at) if bare else -1
        if start < 0:
            spans.append((at, at))
        else:
            at = start + len(bare)
            spans.append((start, at))
    return spans


def _mentions(regions: Regions, number: int) -> list[Mention]:
    """Those of caption ``number``."""
    return [one for one in regions.mentions if one.caption == number]


def _spoken(regions: Regions, number: int) -> set[int]:
    """The regions that a caption names."""
    return {region for one in _mentions(regions, number) for region in one.regions}
