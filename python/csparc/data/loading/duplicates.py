"""Pairs of one batch with the same caption or the same picture: kept apart, or marked as a group.

Captions are compared as token ids, which is what a model sees of them: two that differ beyond the
context length are the same. Pictures are compared by their pixels as they come into the transform,
before anything is drawn at random.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from csparc._repr import fields_line

HANDLING = ("allow", "avoid", "group")
"""What a `Loader` does about them."""

WAITING_BATCHES = 2
"""At most so many batches of pictures wait for one they fit in."""


@dataclass(frozen=True)
class Content:
    """What makes a pair a duplicate of another: either being equal."""

    caption: bytes | None
    picture: bytes

    __repr__ = fields_line


def picture_key(picture: np.ndarray) -> bytes:
    """Equal for equal pixels in the same shape."""
    pixels = hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16)
    pixels.update(repr(picture.shape).encode())
    return pixels.digest()


def group_ids(contents: Sequence[Content]) -> np.ndarray:
    """Ids of groups, int64 [B]: equal for pairs with the same caption or the same picture.

    Also for pairs that only a third one connects; the id is the place of the group's first pair.
    """
    ids = np.arange(len(contents), dtype=np.int64)
    first: dict[tuple[str, bytes], int] = {}
    for place, content in enumerate(contents):
        for key in _keys(content):
            before = first.setdefault(key, place)
            low, high = sorted((ids[before], ids[place]))
            if low != high:
                ids[ids == high] = low
    return ids


def _keys(content: Content) -> Iterable[tuple[str, bytes]]:
    if content.caption is not None:
        yield "caption", content.caption
    yield "picture", content.picture


class Drawn(NamedTuple):
    """A picture that comes in its turn."""

    index: int
    epoch: int
    """How many times its data set was gone through before, which its random choices go by."""
    place: int
    """In the order of the epoch."""


@dataclass
class Item:
    """A picture on its way into a batch."""

    drawn: Drawn
    pixels: np.ndarray | None
    """None where batches are only counted."""
    content: Content | None
    """None where duplicates do not matter."""

    __repr__ = fields_line


class Filling:
    """Fills batches with items in the order they come in.

    With ``apart`` an item that duplicates one of the batch waits for a later one, and those that
    wait come first, in their order; more than `WAITING_BATCHES` batches do not wait: what comes
    then is left out.
    """

    def __init__(self, batch_size: int, apart: bool) -> None:
        self.batch_size = batch_size
        self.apart = apart
        self.batch: list[Item] = []
        self.waiting: list[Item] = []
        self._taken: set[tuple[str, bytes]] = set()

    @property
    def full(self) -> bool:
        return len(self.batch) == self.batch_size

    def add(self, item: Item) -> None:
        """Put an item into the batch, which is not full, or among those that wait."""
        if self._fits(item):
            self._put(item)
        elif len(self.waiting) < WAITING_BATCHES * self.batch_size:
            self.waiting.append(item)

    def take(self) -> list[Item]:
        """Take the batch as it is. The next one is empty until `refill` begins it."""
        batch, self.batch, self._taken = self.batch, [], set()
        return batch

    def refill(self) -> None:
        """Begin the batch, which is empty, with what waits for it."""
        waiting, self.waiting = self.waiting, []
        for item in waiting:
            if not self.full and self._fits(item):
                self._put(item)
            else:
                self.waiting.append(item)

    def clear(self) -> None:
        """Leave out everything that is not in a batch yet."""
        self.take()
        self.waiting = []

    def _fits(self, item: Item) -> bool:
        return not self.apart or self._taken.isdisjoint(_keys(item.content))

    def _put(self, item: Item) -> None:
        self.batch.append(item)
        if self.apart:
            self._taken.update(_keys(item.content))
