"""Scores of pictures with captions by their patches and words (late interaction), in blocks.

Such a score cannot be computed as the product of one vector of the picture and one of the caption,
so all N M of them are formed, a block of captions at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from csparc._repr import fields_line

BLOCK_ENTRIES = 1 << 20
"""Numbers a picture's scores with a block of captions are made from at a time: 8 MiB."""

Score = Callable[[int, int, int], np.ndarray]
"""``score(i, first, last)``: float64 scores of picture ``i`` with the captions from ``first`` up to
``last``."""


@dataclass(frozen=True)
class LateFeatures:
    """What the scores read of N pictures and M captions.

    patches [N, P, D], not normalised; tokens [T, D], the words of all captions one after the other,
    ``counts`` [M] of each; text_global [M, D].
    """

    patches: np.ndarray
    tokens: np.ndarray
    counts: np.ndarray
    text_global: np.ndarray

    __repr__ = fields_line

    def scores(
        self, to_texts: Score, to_images: Score | None = None, entries: int = 1
    ) -> LateScores:
        """The scores of a loss, by its functions of one picture and some captions.

        ``to_images`` is ``to_texts`` where it is left out. ``entries`` are the numbers a score
        needs at a time.
        """
        chunk = max(1, BLOCK_ENTRIES // max(1, entries))
        images, texts = len(self.patches), len(self.counts)
        return LateScores(images, texts, chunk, to_texts, to_images or to_texts)


@dataclass(frozen=True)
class LateScores:
    """``to_texts`` ranks the captions of a picture, ``to_images`` the pictures of a caption."""

    images: int
    texts: int
    chunk: int
    """Captions that are scored at a time."""
    to_texts: Score
    to_images: Score

    __repr__ = fields_line

    def image_rows(self) -> Iterator[tuple[int, np.ndarray]]:
        """(i, scores [1, M] float32) of every picture."""
        for i in range(self.images):
            parts = [self.to_texts(i, *chunk) for chunk in self._chunks()]
            yield i, np.concatenate(parts)[None].astype(np.float32)

    def text_rows(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first caption, scores [captions, N] float32)."""
        for first, last in self._chunks():
            columns = [self.to_images(i, first, last) for i in range(self.images)]
            yield first, np.stack(columns, axis=1).astype(np.float32)

    def _chunks(self) -> list[tuple[int, int]]:
        bounds = [*range(0, self.texts, self.chunk), self.texts]
        return list(pairwise(bounds))
