"""Which picture comes when, which caption it gets, and the draws of its augmentation.

All are functions of (seed, epoch, picture) by counter-based random numbers: nothing depends on what
was drawn before, so training can begin again at any place.
"""

from __future__ import annotations

import numpy as np

from csparc import _random

# One stream for each purpose; the words are their own documentation.
_ORDER = int.from_bytes(b"order", "big")
_CAPTION = int.from_bytes(b"caption", "big")
_HARD_NEGATIVE = int.from_bytes(b"negative", "big")
_PICTURE = int.from_bytes(b"picture", "big")


def order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of `n` pictures in an epoch, int64 [n]."""
    return _random.permutation(seed, (_ORDER, epoch), n)


def caption_choice(seed: int, epoch: int, index: int, captions: int) -> int:
    """Which of its captions a picture gets in an epoch."""
    return _random.choice(seed, (_CAPTION, epoch, index), captions)


def hard_negative_choice(seed: int, epoch: int, index: int, texts: int) -> int:
    """Which of its hard negatives a picture gets in an epoch."""
    return _random.choice(seed, (_HARD_NEGATIVE, epoch, index), texts)


class PictureDraws:
    """The draws for the augmentation of one picture in one epoch."""

    def __init__(self, seed: int, epoch: int, index: int) -> None:
        self._key = (seed, (_PICTURE, epoch, index))

    def uniform(self, n: int) -> np.ndarray:
        """The first `n` numbers of the stream, in [0, 1), float64 [n]."""
        return _random.uniform(*self._key, n)
