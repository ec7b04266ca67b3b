"""Which word every token is, and which words every picture lacks, as the core reads them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from csparc import _core, _random
from csparc._arrays import describe, to_numpy, valid_mask
from csparc._repr import fields_line
from csparc._scalars import whole_number
from csparc.losses._groups import Groups

_NEGATIVES = int.from_bytes(b"negative", "big")


@dataclass(frozen=True, repr=False)
class Words:
    """Of one batch: tokens by word, and what pictures lack."""

    word: np.ndarray
    """int64 [B, L]: the token's column of ``lacks``, -1 where it takes no part."""
    lacks: np.ndarray
    """uint8 [B, W]: 1 where the picture lacks the word."""

    __repr__ = fields_line


def read_words(
    word_ids: object,
    words: object,
    lacks: object,
    text_valid: np.ndarray | None,
    groups: Groups,
    shape: tuple[int, int],
) -> Words:
    """Check the arguments ``word_ids``, ``words`` and ``lacks`` of a loss on [B, L] tokens."""
    B, L = shape
    ids = to_numpy(word_ids, "word_ids")
    expected = f"whole numbers [{B}, {L}], equal for equal words, negative for no word"
    if ids.dtype.kind not in "iu":
        raise TypeError(f"word_ids: expected {expected}, found {describe(ids)}")
    if ids.shape != shape:
        raise ValueError(f"word_ids: expected {expected}, found {describe(ids)}")
    known = (ids >= 0) & (True if text_valid is None else text_valid.view(bool))
    column = np.full(shape, -1, np.int64)
    if lacks is None:
        column[known], width = _numbered(ids[known])
        given = None
    else:
        given = _given_lacks(lacks, B)
        width = given.shape[1]
        beyond = ids[known & (ids >= width)]
        if beyond.size:
            raise ValueError(
                f"lacks: expected a column for every word of word_ids, [{B}, {beyond.max() + 1}] "
                f"or wider, found {describe(given)}"
            )
        column[known] = ids[known]
    has = np.zeros((B, width), bool)
    has[np.nonzero(known)[0], column[known]] = True
    if groups.ids is not None:
        _share_in_groups(has, groups.ids)
    lacked = ~has if given is None else given & ~has
    chosen = valid_mask(words, "words", B, L)
    if chosen is not None:
        column[chosen == 0] = -1
    return Words(column, np.ascontiguousarray(lacked).view(np.uint8))


def _numbered(ids: np.ndarray) -> tuple[np.ndarray, int]:
    """Ids as numbers from 0 on, and how many there are."""
    distinct, number = np.unique(ids, return_inverse=True)
    return number.reshape(-1), len(distinct)


def _given_lacks(lacks: object, pairs: int) -> np.ndarray:
    given = to_numpy(lacks, "lacks")
    expected = f"bools or 0/1 [{pairs}, W], 1 where the picture of a row lacks the word of a column"
    if given.ndim != 2 or len(given) != pairs:
        raise ValueError(f"lacks: expected {expected}, found {describe(given)}")
    mask = valid_mask(given, "lacks", *given.shape)
    return mask.view(bool)


def _share_in_groups(has: np.ndarray, ids: np.ndarray) -> None:
    """Every picture of a group has the words of all its captions."""
    for group in np.unique(ids[ids >= 0]):
        members = ids == group
        has[members] = has[members].any(axis=0)


def negative_sets(
    word_ids: object, pairs: int, negatives: int | None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are contrasted with each other: int64 order [B] and starts [sets + 1].

    ``negatives=None``, or as many as there are: all with all. Otherwise the batch is dealt at
    random to sets of ``negatives + 1`` samples, and where that leaves some over, of a few more. The
    deal follows from ``seed`` and from the words of the batch, so that a step done again, after an
    interruption or on another machine, has the same.
    """
    count = 1
    if negatives is not None:
        count = max(1, pairs // (whole_number(negatives, "negatives", low=1) + 1))
    start = np.arange(count + 1, dtype=np.int64) * pairs // count
    if count == 1:
        return np.arange(pairs, dtype=np.int64), start
    said = np.ascontiguousarray(to_numpy(word_ids, "word_ids"), np.int64)
    return _random.permutation(seed, (_NEGATIVES, zlib.crc32(said)), pairs), start


def distinct_rows(
    tokens: np.ndarray | None,
    word: np.ndarray,
    order: np.ndarray,
    start: np.ndarray,
    bits: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of one set that are the same word with the same numbers share a row: the row [B, L] of
    each, a token of each row, and where the rows of each set start. ``bits``: tokens in bfloat16,
    in their place."""
    row, first = np.empty_like(word), np.empty(word.size, np.int64)
    row_start = np.empty(len(start), np.int64)
    _core.distinct_words(tokens, word, order, start, bits, row, first, row_start)
    return row, first[: row_start[-1]], row_start
