"""Ranks of the right answers by cosine, one tile of scores at a time, both directions at once.

A score is the cosine summed in float64 and rounded to a multiple of 2**-24, so that what is equal
but for the order of a sum is equal. Tiles are made in float32: where one
is further from the score of the right answer than float32 can be wrong, it is above or below it,
and the few that are nearer are made again in float64 (csparc/rank/before.h). Ranks are so those of
the float64 scores, at the speed of a float32 product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc import _core
from csparc._repr import fields_line
from csparc._rows import at_length_one

IMAGES, TEXTS = 1024, 2048
"""Rows of a tile of scores, and its columns."""
_PAIRS = 2048
_ULP = 2.0**-24
_SHORT = 2.0**-60
"""Features of lengths between this and its inverse are multiplied in float32 as they are."""


@dataclass(frozen=True)
class Ranks:
    """Rank int64 [Q] of the right answer of each query, 0 where it has none; whether a wrong answer
    has the same score, bool [Q]."""

    ranks: np.ndarray
    tied: np.ndarray

    __repr__ = fields_line


def cosine_ranks(images: np.ndarray, texts: np.ndarray, index: np.ndarray) -> tuple[Ranks, Ranks]:
    """Ranks of each image's best caption among all captions, and of each caption's image.

    ``images`` [N, D] and ``texts`` [M, D] are of any length, ``index`` [M] is the image of each
    caption. 2 N M D operations; beyond the arguments about 40 MiB at D = 512, and 40 bytes a query.
    """
    narrow = all(one.dtype == np.float32 and _of_common_length(one) for one in (images, texts))
    rows, columns = (_Narrow if narrow else _Wide)(images), (_Narrow if narrow else _Wide)(texts)
    own = _own_scores(rows, columns, index)
    right, best = _best_captions(own, index, len(images))
    of_images, of_texts = _Queries(best, right), _Queries(own, index)
    # Rounding rows and their sum of products, in whatever order, moves a score by less than this.
    error = (images.shape[1] + 13) * _ULP
    scores = np.empty(min(TEXTS, len(texts)) * min(IMAGES, len(images)), dtype=np.float32)
    for c in range(0, len(texts), TEXTS):
        some = slice(c, c + TEXTS)
        captions, units = columns.part(some), columns.units(some)
        for r in range(0, len(images), IMAGES):
            here = slice(r, r + IMAGES)
            pictures, left = rows.part(here), rows.left(here)
            tile = scores[: len(left) * len(units)].reshape(len(left), len(units))
            # Captions as weights: each score is the product of two rows, and nothing is turned.
            _core.linear_forward(left, units, None, None, None, False, tile)
            (x, by_x), (y, by_y) = pictures, captions
            _core.count_before(
                tile, x, y, by_x, by_y, of_images.target[here], of_texts.target[some],
                of_images.right[here], of_texts.right[some], r, c, error,
                of_images.before[here], of_images.equal[here],
                of_texts.before[some], of_texts.equal[some],
            )  # fmt: skip
    return of_images.ranks(), of_texts.ranks()


def nearest(queries: np.ndarray, candidates: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` candidates int64 [Q, k] with the highest scores for each query, the best first; of
    equal scores the earlier one. All of them where there are fewer.

    2 Q C D operations in float64; beyond the arguments a few tiles of scores.
    """
    best = np.empty((len(queries), 0), dtype=np.int64)
    for c in range(0, len(candidates), TEXTS):
        some = slice(c, c + TEXTS)
        numbers = np.arange(c, min(c + TEXTS, len(candidates)))
        others, kept = at_length_one(candidates[some]).T, []
        for r in range(0, len(queries), IMAGES):
            part = slice(r, r + IMAGES)
            cosines = at_length_one(queries[part]) @ others
            # One number orders candidates by their score, then by their place.
            keys = (np.rint(cosines / _ULP).astype(np.int64) << 32) - numbers
            keys = np.concatenate([best[part], keys], axis=1)
            if keys.shape[1] > k:
                keys = -np.partition(-keys, k - 1, axis=1)[:, :k]
            kept.append(keys)
        best = np.concatenate(kept)
    return np.sort(-best, axis=1) & 0xFFFFFFFF


def _of_common_length(features: np.ndarray) -> bool:
    """Whether products of these rows with unit rows can be made in float32."""
    lengths = _lengths(features)
    return bool(((lengths > _SHORT) & (lengths < 1 / _SHORT)).all())


def _lengths(features: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))


class _Narrow:
    """Features float32 that are multiplied as they are, and what brings each to length 1."""

    def __init__(self, features: np.ndarray) -> None:
        self.features, self.inverse = features, 1.0 / _lengths(features)

    def part(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some of them, contiguous, and the inverses of their lengths."""
        return np.ascontiguousarray(self.features[rows]), self.inverse[rows]

    def left(self, rows: slice) -> np.ndarray:
        """What a tile is made of, of images: their own length is still in it."""
        return self.part(rows)[0]

    def units(self, rows: slice) -> np.ndarray:
        """What a tile is made of, of captions: unit vectors."""
        features, inverse = self.part(rows)
        return features * inverse.astype(np.float32)[:, None]


class _Wide:
    """Features of any type and length, as unit vectors float64, made when they are asked for."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = features
        self._last: tuple[slice | None, np.ndarray] = (None, features[:0])

    def part(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some of them at length 1, and ones; those of a slice are kept until the next one."""
        if not isinstance(rows, slice):
            found = at_length_one(self.features[rows])
        else:
            if self._last[0] != rows:
                self._last = (rows, at_length_one(self.features[rows]))
            found = self._last[1]
        return found, np.ones(len(found))

    def left(self, rows: slice) -> np.ndarray:
        """Some of them in float32."""
        return self.part(rows)[0].astype(np.float32)

    units = left


def _own_scores(images: _Narrow | _Wide, texts: _Narrow | _Wide, index: np.ndarray) -> np.ndarray:
    """The score float32 of each caption and its image, summed as those of all other pairs are."""
    found = np.empty(len(index), dtype=np.float32)
    for first in range(0, len(index), _PAIRS):
        some = slice(first, first + _PAIRS)
        (x, by_x), (y, by_y) = images.part(index[some]), texts.part(some)
        products = np.empty(len(x))
        _core.dot_rows(x, y, products)
        # Multiples of 2**-24, which float32 holds exactly.
        found[some] = np.rint(products * by_x * by_y / _ULP) * _ULP
    return found


def _best_captions(
    own: np.ndarray, index: np.ndarray, n_images: int
) -> tuple[np.ndarray, np.ndarray]:
    """The caption int64 [N] of each image that scores highest, the first of equals, and its score;
    -1 and infinity where it has none."""
    order = np.lexsort((np.arange(len(own)), -own.astype(np.float64), index))
    first = order[np.flatnonzero(np.diff(index[order], prepend=-1))]
    right = np.full(n_images, -1, dtype=np.int64)
    score = np.full(n_images, np.inf, dtype=np.float32)
    right[index[first]], score[index[first]] = first, own[first]
    return right, score


class _Queries:
    """The right answer of each query, and how many stand before it or tie with it."""

    def __init__(self, target: np.ndarray, right: np.ndarray) -> None:
        self.target, self.right = target, right
        self.before = np.zeros(len(target), dtype=np.int64)
        self.equal = np.zeros(len(target), dtype=np.int64)

    def ranks(self) -> Ranks:
        """What was counted."""
        asked = self.right >= 0
        return Ranks(np.where(asked, 1 + self.before, 0), asked & (self.equal > 0))
