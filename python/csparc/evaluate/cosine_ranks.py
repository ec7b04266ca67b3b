"""Ranks of the right answers by cosine, one tile of scores at a time, both directions at once.

A score is the cosine summed in float64 and rounded to a multiple of 2**-24, so that what is equal
but for the order of a sum is equal. Tiles are made in float32: where one
is further from the score of the right answer than float32 can be wrong, it is above or below it,
and the few that are nearer are made again in float64. Ranks are so those of the float64 scores, at
the speed of a float32 product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from csparc import _core
from csparc._repr import fields_line
from csparc._rows import at_length_one

IMAGES, TEXTS = 1024, 4096
"""Rows of a tile of scores, and its columns."""
STRIP = 64
"""Rows of it that are looked at together: what a cache holds."""
_PAIRS = 2048
_DENSE = 1 / 64
"""The share of a strip above which its scores are counted, or made again, whole."""
_ULP = 2.0**-24
_SHORT = 2.0**-60
"""Lengths of rows between this and its inverse are divided by in float32."""


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
    caption. 2 N M D operations; beyond the arguments about 60 MiB at D = 512, and 26 bytes a query.
    """
    rows, columns = _UnitRows(images), _UnitRows(texts)
    own = _products(rows, index, columns, np.arange(len(texts)))
    right, best = _best_captions(own, index, len(images))
    of_images = _Direction(rows, columns, best, right, lambda q, c: index[c] == q)
    of_texts = _Direction(columns, rows, own, index, lambda q, c: index[q] == c)
    scores = np.empty(min(TEXTS, len(texts)) * min(IMAGES, len(images)), dtype=np.float32)
    for c in range(0, len(texts), TEXTS):
        right_side = np.ascontiguousarray(columns.narrow(slice(c, c + TEXTS)).T)
        for r in range(0, len(images), IMAGES):
            left_side = rows.narrow(slice(r, r + IMAGES))
            shape = (len(left_side), right_side.shape[1])
            tile = scores[: shape[0] * shape[1]].reshape(shape)
            _core.gemm(left_side, right_side, tile)
            for strip in range(0, shape[0], STRIP):
                part = tile[strip : strip + STRIP]
                of_images.add(part, r + strip, c)
                of_texts.add(part.T, c, r + strip)
    return of_images.ranks(), of_texts.ranks()


def nearest(queries: np.ndarray, candidates: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` candidates int64 [Q, k] with the highest scores for each query, the best first; of
    equal scores the earlier one. All of them where there are fewer.

    2 Q C D operations in float64; beyond the arguments a few tiles of scores.
    """
    rows, columns = _UnitRows(queries), _UnitRows(candidates)
    best = np.empty((len(queries), 0), dtype=np.int64)
    for c in range(0, len(candidates), TEXTS):
        some = slice(c, c + TEXTS)
        numbers = np.arange(c, min(c + TEXTS, len(candidates)))
        kept = []
        for r in range(0, len(queries), IMAGES):
            part = slice(r, r + IMAGES)
            cosines = rows.exact(part) @ columns.exact(some).T
            # One number orders candidates by their score, then by their place.
            keys = (np.rint(cosines / _ULP).astype(np.int64) << 32) - numbers
            keys = np.concatenate([best[part], keys], axis=1)
            if keys.shape[1] > k:
                keys = -np.partition(-keys, k - 1, axis=1)[:, :k]
            kept.append(keys)
        best = np.concatenate(kept)
    return np.sort(-best, axis=1) & 0xFFFFFFFF


class _UnitRows:
    """Rows of a matrix at length 1, made when they are asked for."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = features
        self._lengths = self._factors = None
        self._last: tuple[slice | None, np.ndarray] = (None, features[:0])
        if features.dtype == np.float32:
            lengths = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))
            if (lengths > _SHORT).all() and (lengths < 1 / _SHORT).all():
                self._lengths = lengths[:, None]
                self._factors = (1.0 / self._lengths).astype(np.float32)

    def exact(self, rows: slice | np.ndarray) -> np.ndarray:
        """Some of them in float64; those of a slice are kept until another one is asked for."""
        if not isinstance(rows, slice):
            return self._exact(rows)
        if self._last[0] != rows:
            self._last = (rows, self._exact(rows))
        return self._last[1]

    def _exact(self, rows: slice | np.ndarray) -> np.ndarray:
        if self._lengths is None:
            return at_length_one(self.features[rows])
        return self.features[rows] / self._lengths[rows]

    def narrow(self, rows: slice) -> np.ndarray:
        """Some of them in float32, each entry wrong by two roundings at most."""
        if self._factors is None:
            return self.exact(rows).astype(np.float32)
        return self.features[rows] * self._factors[rows]


def _products(one: _UnitRows, i: np.ndarray, other: _UnitRows, j: np.ndarray) -> np.ndarray:
    """The scores float32 of rows ``i`` and ``j``, summed in one order wherever a row stands."""
    found = np.empty(len(i), dtype=np.float32)
    for first in range(0, len(i), _PAIRS):
        some = slice(first, first + _PAIRS)
        found[some] = _rounded(np.einsum("nd,nd->n", one.exact(i[some]), other.exact(j[some])))
    return found


def _rounded(cosines: np.ndarray) -> np.ndarray:
    """Cosines float64 as multiples of 2**-24, which float32 holds exactly."""
    return (np.rint(cosines / _ULP) * _ULP).astype(np.float32)


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


class _Direction:
    """Counts, for queries of one side, the candidates of the other that stand before the right
    one, and those that tie with it."""

    def __init__(
        self,
        queries: _UnitRows,
        candidates: _UnitRows,
        target: np.ndarray,
        right: np.ndarray,
        is_own: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        # Rounding two unit rows and their sum of products moves a score by less than this.
        error = (queries.features.shape[1] + 12) * _ULP
        self.queries, self.candidates = queries, candidates
        self.target, self.right, self.is_own = target, right, is_own
        wide = target.astype(np.float64)
        self.low = np.nextafter((wide - error).astype(np.float32), np.float32(-np.inf))
        self.high = np.nextafter((wide + error).astype(np.float32), np.float32(np.inf))
        self.before = np.zeros(len(target), dtype=np.int64)
        self.equal = np.zeros(len(target), dtype=np.int64)

    def add(self, tile: np.ndarray, q0: int, c0: int) -> None:
        """Take in scores float32 [Q, C] of queries from ``q0`` and candidates from ``c0`` on."""
        some = slice(q0, q0 + tile.shape[0])
        reached = tile >= self.low[some, None]
        count = np.count_nonzero(reached)
        if count > _DENSE * reached.size:
            above = tile > self.high[some, None]
            self.before[some] += _count(above)
            reached ^= above
            count = np.count_nonzero(reached)
        if not count:
            return
        many = count > _DENSE * reached.size
        q, c = _places(reached)
        if many:
            others = slice(c0, c0 + tile.shape[1])
            scores = _rounded(self.queries.exact(some) @ self.candidates.exact(others).T)[q, c]
            self._judge(q + q0, c + c0, scores)
            return
        sure = tile[q, c] > self.high[q + q0]
        q, c = q + q0, c + c0
        np.add.at(self.before, q[sure], 1)
        q, c = q[~sure], c[~sure]
        wrong = ~self.is_own(q, c)
        q, c = q[wrong], c[wrong]
        self._judge(q, c, _products(self.queries, q, self.candidates, c))

    def _judge(self, q: np.ndarray, c: np.ndarray, scores: np.ndarray) -> None:
        """Take in exact scores of candidates ``c`` of queries ``q``; own ones count nowhere."""
        wrong = ~self.is_own(q, c)
        equal = wrong & (scores == self.target[q])
        first = (wrong & (scores > self.target[q])) | (equal & (c < self.right[q]))
        np.add.at(self.before, q[first], 1)
        np.add.at(self.equal, q[equal], 1)

    def ranks(self) -> Ranks:
        """What was counted."""
        asked = self.right >= 0
        return Ranks(np.where(asked, 1 + self.before, 0), asked & (self.equal > 0))


def _places(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a mask in either order of memory is True."""
    if mask.flags.c_contiguous:
        return np.divmod(np.flatnonzero(mask), mask.shape[1])
    c, q = np.divmod(np.flatnonzero(mask.T), mask.shape[0])
    return q, c


def _count(mask: np.ndarray) -> np.ndarray:
    """How many are True in each row of a mask in either order of memory."""
    if mask.flags.c_contiguous:
        return np.array([np.count_nonzero(row) for row in mask])
    bytes_ = mask.T.view(np.uint8)
    total = np.zeros(mask.shape[0], dtype=np.int64)
    for first in range(0, len(bytes_), 255):  # as many as a byte can count
        total += np.add.reduce(bytes_[first : first + 255], axis=0, dtype=np.uint8)
    return total
