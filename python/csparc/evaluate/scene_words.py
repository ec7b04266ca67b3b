"""The words of generated scenes that name an object, and where that object lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csparc._repr import fields_line
from csparc.evaluate.placement import Places, place_scores

if TYPE_CHECKING:
    from csparc.data.scenes.dataset import Scenes
    from csparc.data.scenes.grammar import Caption

_LEAST_COVER = 0.25
GROUPS = ("NOUN", "ADJ", "COLOUR")
"""Parts of speech that name an object; of the adjectives (colours, sizes, textures) the colours
once more by themselves."""

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
    """A word that names one object: characters ``start`` to ``stop`` of the caption, the word, its
    part of speech, the patches [P] (bool) of its object, those of all other objects, of which
    ``named`` are of objects that the caption names too, and how many objects have a patch."""

    start: int
    stop: int
    text: str
    pos: str
    inside: np.ndarray
    outside: np.ndarray
    named: np.ndarray
    objects: int

    __repr__ = fields_line


@dataclass(frozen=True)
class WordPlaces:
    """The words of many pairs that name an object: the pair of each, its rows among the weights of
    that pair, the `GROUPS` it is of, and the patches of its object."""

    pairs: list[int]
    rows: list[list[int]]
    groups: list[tuple[str, ...]]
    places: Places

    __repr__ = fields_line

    def scores(self, weights: Sequence[np.ndarray]) -> dict[str, dict]:
        """`place_scores` of each of the `GROUPS` that has a word, from the weights [T, P] of each
        pair; what a word has in several rows is averaged."""
        if not self.pairs:
            return {}
        maps = [weights[pair][rows].mean(axis=0) for pair, rows in zip(self.pairs, self.rows)]
        stacked, found = np.array(maps), {}
        for group in GROUPS:
            has = np.array([group in groups for groups in self.groups])
            if has.any():
                found[group] = place_scores(stacked[has], self.places.take(has))
        return found


def ceiling(scenes: Scenes, image_size: int, grid: tuple[int, int]) -> dict | None:
    """`SUPERVISED`, where it was measured on such scenes and patches; else None."""
    same = (scenes.tier, image_size, tuple(grid)) == ("M", 64, (8, 8))
    return SUPERVISED if same else None


def single_object_captions(scenes: Scenes, item: int) -> list[tuple[int, int]]:
    """(caption, object) for the captions of a scene of several objects that speak of one only."""
    scene = scenes.scene(item)
    if len(scene.objects) < 2:
        return []
    captions = scenes.labelled_captions(item)[: scenes.max_captions]
    spoken = [_spoken(caption) for caption in captions]
    return [(k, next(iter(named))) for k, named in enumerate(spoken) if len(named) == 1]


def sentence_placement(
    scenes: Scenes,
    items: Sequence[int],
    objects: Sequence[int],
    maps: np.ndarray,
    grid: tuple[int, int],
) -> dict:
    """`place_scores` of whole sentences: ``maps[b]`` [P] of a sentence about ``objects[b]``. It
    names no other object: ``auc_named`` is over nothing."""
    owners = np.array([_patch_owners(scenes.scene(item).masks, grid) for item in items])
    owners = owners.reshape(len(items), grid[0] * grid[1])
    inside = owners == np.asarray(objects).reshape(-1, 1)
    visible = np.array([_visible(row) for row in owners], dtype=np.int64)
    places = Places(inside, (owners >= 0) & ~inside, np.zeros_like(inside), visible)
    return place_scores(np.asarray(maps).reshape(inside.shape), places)


def named_words(scenes: Scenes, item: int, number: int, grid: tuple[int, int]) -> list[Named]:
    """The nouns and adjectives of a caption that name a single object, with their patches.

    A patch belongs to the object that covers most of it, if that covers a quarter of it or more.
    """
    caption = scenes.labelled_captions(item)[number]
    return _named(caption, _patch_owners(scenes.scene(item).masks, grid))


def _named(caption: Caption, owner: np.ndarray) -> list[Named]:
    """`named_words` of a caption, from the object [P] of each patch."""
    words, offsets, spoken = [], caption.offsets, _spoken(caption)
    for phrase in caption.phrases:
        if len(phrase.objects) != 1:
            continue
        own = phrase.objects[0]
        inside = owner == own
        others = (owner >= 0) & ~inside
        named = np.isin(owner, sorted(spoken - {own}))
        for place in range(phrase.start, phrase.stop):
            if caption.pos[place] in ("NOUN", "ADJ"):
                words.append(
                    Named(
                        *offsets[place], caption.tokens[place], caption.pos[place], inside, others,
                        named, _visible(owner),
                    )
                )  # fmt: skip
    return words


def word_places(
    scenes: Scenes,
    items: Sequence[int],
    numbers: Sequence[int],
    words: Sequence[Sequence[str]],
    grid: tuple[int, int],
) -> WordPlaces:
    """Which of the ``words[b]`` of caption ``numbers[b]`` of scene ``items[b]`` name an object.

    ``words[b]`` are words or pieces in order: the rows of the weights of that pair.
    """
    from csparc.data.scenes.scene import COLOURS

    rows, pairs, groups, found = [], [], [], []
    last, captions, owner = None, [], np.zeros(0)
    for pair, (item, number, pieces) in enumerate(zip(items, numbers, words, strict=True)):
        if item != last:
            captions, owner = (
                scenes.labelled_captions(item),
                _patch_owners(scenes.scene(item).masks, grid),
            )
            last = item
        caption = captions[number]
        spans = piece_spans(caption.text, pieces)
        for name in _named(caption, owner):
            own = [
                t for t, span in enumerate(spans) if span[0] < name.stop and span[1] > name.start
            ]
            if own:
                pairs.append(pair)
                rows.append(own)
                groups.append((name.pos, "COLOUR") if name.text in COLOURS else (name.pos,))
                found.append(name)
    P = grid[0] * grid[1]
    places = Places(
        *(
            np.array([getattr(name, side) for name in found], dtype=bool).reshape(-1, P)
            for side in ("inside", "outside", "named")
        ),
        np.array([name.objects for name in found], dtype=np.int64),
    )
    return WordPlaces(pairs, rows, groups, places)


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


def _spoken(caption: Caption) -> set[int]:
    """The objects that a caption names."""
    return {number for phrase in caption.phrases for number in phrase.objects}


def _visible(owner: np.ndarray) -> int:
    """How many objects have a patch."""
    return len(np.unique(owner[owner >= 0]))


def _patch_owners(masks: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """For each patch the number of its object, or -1: [P] from masks [objects, H, W]."""
    count, height, width = masks.shape
    rows, columns = grid
    cover = masks.reshape(count, rows, height // rows, columns, width // columns).mean(axis=(2, 4))
    cover = cover.reshape(count, rows * columns)
    return np.where(cover.max(axis=0) >= _LEAST_COVER, cover.argmax(axis=0), -1)
