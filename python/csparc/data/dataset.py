"""What every data set offers."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from csparc import _text
from csparc._repr import cut, line
from csparc.data import images
from csparc.data.loading import sampler
from csparc.data.report import BadItems
from csparc.data.rows import PairRows
from csparc.data.source import Source
from csparc.errors import DataError

if TYPE_CHECKING:
    from csparc.data.regions import Regions


class Dataset:
    """Pictures, each with one or more captions.

    Attributes
    ----------
    spec : str
        What it was opened from.
    problems : BadItems
        Items left out while the tables were read.
    cacheable : bool
        Whether keeping decoded pictures in memory saves work.
    max_pixels : int
        Pictures with more are bad items.
    """

    spec: str
    cacheable: bool = True
    max_pixels: int = images.MAX_PIXELS
    problems: BadItems

    def __repr__(self) -> str:
        told = [f"{len(self):,} pictures"]
        if bad := len(self.problems):
            told.append(f"{bad:,} bad items left out")
        return line(self, cut(repr(self.spec), 60), *told)

    def __len__(self) -> int:
        """Number of pictures."""
        raise NotImplementedError

    def captions(self, index: int) -> list[str]:
        """The captions of picture `index`, at least one."""
        raise NotImplementedError

    @property
    def has_hard_negatives(self) -> bool:
        """Whether any picture has hard negatives."""
        return False

    def hard_negatives(self, index: int) -> list[str]:
        """Captions that do not describe picture `index`, and nearly do; most pictures have none."""
        return []

    def name(self, index: int) -> str:
        """The name of picture `index` in messages."""
        raise NotImplementedError

    def load(self, index: int) -> np.ndarray:
        """Picture `index` as uint8 [H, W, 3] RGB.

        Raises
        ------
        BadItem
            When it cannot be decoded.
        """
        raise NotImplementedError

    def source(self, index: int) -> Source | None:
        """What picture `index` is decoded from; None where it is no part of a file.

        Raises
        ------
        BadItem
            When its file may not be read.
        """
        return None

    @property
    def has_rows(self) -> bool:
        """Whether it holds what towers gave of its pairs (`rows`) in place of pictures."""
        return False

    def rows(self, index: int) -> PairRows:
        """What the towers gave of picture `index` and its texts, where `has_rows`."""
        raise NotImplementedError

    @property
    def epoch_length(self) -> int:
        """Pictures that an epoch draws: each once, where a data set does not say."""
        return len(self)

    @property
    def repeats(self) -> bool:
        """Whether an epoch may draw a picture several times, and others not at all."""
        return False

    def epoch_order(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """What an epoch draws, in order: numbers of pictures int64 [`epoch_length`], and of each
        how many times all of its data set were drawn before, which random choices go by."""
        return sampler.order(seed, epoch, len(self)), np.full(len(self), epoch, np.int64)

    def parts(self) -> list[tuple[Dataset, int]]:
        """The data sets it is made of, and the number of each one's first picture: itself."""
        return [(self, 0)]

    @property
    def generated(self) -> bool:
        """Whether pictures are drawn without end, so that varied crops add nothing."""
        return False

    @property
    def pairs_shuffled(self) -> bool:
        """Whether captions are of other pictures (`csparc.data.ShuffledPairs`)."""
        return False

    @property
    def has_regions(self) -> bool:
        """Whether it is known where things lie in its pictures, and what captions say of them."""
        return False

    def regions(self, index: int) -> Regions:
        """What is known of the places in picture `index`.

        Raises
        ------
        BadItem
            It does not fit the picture, or is broken.
        """
        raise DataError(f"{self.spec}: nothing is known of where things lie in its pictures")

    def label_names(self, by: str = "") -> tuple[str, ...]:
        """The classes of `label_map`, without the background; none where there are no labels.

        ``by``: an attribute, such as colour, whose values are the classes; by default the kinds of
        things.
        """
        return ()

    def label_map(self, index: int, by: str = "") -> np.ndarray:
        """int16 [H, W] of picture `index`: 0 background, from 1 `label_names`, -1 not counted.

        Raises
        ------
        BadItem
            When it cannot be read.
        """
        raise DataError(f"{self.spec}: its pictures have no labels of pixels")

    def said_words(self, index: int) -> frozenset[str]:
        """The words of the captions of picture `index`, case folded, marks left out."""
        return frozenset(
            word.casefold()
            for text in self.captions(index)
            for word in (text[begin:end] for begin, end in _text.word_spans(text))
            if any(letter.isalnum() for letter in word)
        )

    def shown_words(self, index: int) -> frozenset[str]:
        """The words that picture `index` is known to fit: those of its own captions."""
        return self.said_words(index)

    def all_captions(self) -> Iterator[str]:
        """Every caption of every picture, in order, hard negatives behind each picture's own: what
        a tokenizer is trained on."""
        for index in range(len(self)):
            yield from self.captions(index)
            yield from self.hard_negatives(index)

    def fingerprint(self) -> str:
        """Names, captions and hard negatives of all pictures in order, as 32 hexadecimal digits.

        Of names the last part alone, so that data may move; no picture is opened.
        """
        digest = hashlib.blake2b(digest_size=16)
        for index in range(len(self)):
            texts = [os.path.basename(self.name(index)), *self.captions(index)]
            digest.update(json.dumps(texts).encode())
            if negatives := self.hard_negatives(index):
                digest.update(json.dumps({"hard_negatives": negatives}).encode())
        return digest.hexdigest()
