"""What every data set offers, and the one whose pictures are files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csparc import _text
from csparc._kinds import HEAD_BYTES, kind_of
from csparc._repr import cut, fields_line, line
from csparc._text import show
from csparc.data import images
from csparc.data.loading import sampler
from csparc.data.readers import hard_negatives
from csparc.data.readers.paths import Guard, printable
from csparc.data.report import DEFAULT_MAX_BAD, BadItem, BadItems
from csparc.data.rows import PairRows
from csparc.data.source import Source
from csparc.errors import DataError

if TYPE_CHECKING:
    from csparc.data.regions import Regions

# What a data frame writes where a cell was empty.
_NO_VALUE = frozenset({"nan", "none", "null", "<na>"})

TEXT_FORMS = ("lines", "whole")


@dataclass(frozen=True)
class Options:
    """How to read a data set; the fields are the options of `csparc.data.open`."""

    allow_outside: bool = False
    max_pixels: int = images.MAX_PIXELS
    max_bad: float = DEFAULT_MAX_BAD
    max_captions: int | None = None
    img_key: str | None = None
    caption_key: str | None = None
    separator: str | None = None
    captions: str | None = None
    quoting: str | None = None
    text: str | None = None
    hard_negative_key: str | None = None
    pairs: str | None = None
    classes: str | None = None

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Raise DataError for the first of these options that was given: it would do nothing."""
        for name in names:
            if getattr(self, name) is not None:
                raise DataError(f"{name}={getattr(self, name)}: has no effect, as {why}")

    __repr__ = fields_line


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


class Gather:
    """Collects (picture, caption) pairs; pairs of one picture become its several captions.

    Pictures keep the order in which they first appeared; what cannot be used goes to `problems`.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.problems = BadItems(options.max_bad)
        self._captions: dict[str, list[str]] = {}
        self._negatives: dict[str, dict[str, None]] = {}
        self._items = 0
        self._bad = 0
        self._no_value: list[str] = []

    def add(self, key: str, captions: list[object], where: str) -> None:
        """Add captions to the picture `key`; a bad one is noted as the item `where`."""
        self._items += max(1, len(captions))
        kept = self._captions.setdefault(key, [])
        if not captions:
            self._note(BadItem(where, "has no caption"))
        for caption in captions:
            try:
                text = clean_caption(caption, where)
            except BadItem as bad:
                self._note(bad)
                continue
            if text.lower() in _NO_VALUE:
                self._no_value.append(f"{where}: {text!r}")
            if self.options.max_captions is None or len(kept) < self.options.max_captions:
                kept.append(text)

    def add_hard_negatives(self, key: str, texts: Iterable[object], where: str) -> None:
        """Add hard negatives to the picture `key`, each once; bad ones are noted, and are no reason
        to leave the picture out."""
        for given in texts:
            self._items += 1
            try:
                text = clean_caption(given, f"{where} hard negative")
            except BadItem as bad:
                self._note(bad)
                continue
            if text.lower() in _NO_VALUE:
                self._no_value.append(f"{where}: {text!r}")
            self._negatives.setdefault(key, {})[text] = None

    @property
    def keys(self) -> Iterable[str]:
        """The pictures so far."""
        return self._captions.keys()

    def reject(self, bad: BadItem) -> None:
        """Note a row that cannot be used."""
        self._items += 1
        self._note(bad)

    def _note(self, bad: BadItem) -> None:
        """Captions of one record share its name: each counts, the first one is named."""
        self._bad += 1
        self.problems.add(bad)

    def finish(self, source: str) -> dict[str, list[str]]:
        """The pictures that have captions.

        Raises
        ------
        DataError
            When none is left or too many items were bad.
        """
        self.problems.check(self._items, source, self._bad)
        if len(self._no_value) > 1:
            self.problems.note(
                f"{source}: {len(self._no_value)} captions are words by which programs write an "
                f"empty cell, the first at {self._no_value[0]}: are these captions?",
                warn=True,
            )
        named = self.options.hard_negative_key
        if named not in (None, hard_negatives.NONE) and not self._negatives:
            raise DataError(
                f"{source}: hard_negative_key={named}: expected hard negatives, found none"
            )
        self._leave_out_own_captions(source)
        return {key: captions for key, captions in self._captions.items() if captions}

    def _leave_out_own_captions(self, source: str) -> None:
        """Of hard negatives those that are captions of their own picture."""
        count = 0
        for key, texts in self._negatives.items():
            own = set(self._captions.get(key, ())).intersection(texts)
            count += len(own)
            for text in own:
                del texts[text]
        if count:
            self.problems.note(
                f"{source}: {count} hard negatives are captions of their own picture, and left out"
            )

    @property
    def hard_negatives(self) -> dict[str, list[str]]:
        """Those of the pictures that have some, once `finish` was called."""
        return {key: list(texts) for key, texts in self._negatives.items() if texts}


def caption_lines(content: bytes, where: str, form: str | None = None) -> list[str]:
    """The captions in a text: its lines that hold something, or with the form "whole" all of it.

    Raises
    ------
    BadItem
        Named `where`, when the file is no text, or in another encoding than
        `csparc._text.encoding_of` knows.
    """
    kind = kind_of(content[:HEAD_BYTES]) if content else None
    if kind is not None:
        raise BadItem(where, f"expected captions as text, found {kind}")
    try:
        text = _text.decoded(content)
    except UnicodeDecodeError as error:
        raise BadItem(where, "expected captions as UTF-8 text, found another encoding") from error
    captions = [text] if form == "whole" else _text.lines_of(text)
    return [caption for caption in captions if not _text.is_blank(caption)]


def clean_caption(caption: object, where: str) -> str:
    """A caption as one line (`csparc._text.one_line`).

    Raises
    ------
    BadItem
        Named `where`: not text, empty, NUL inside, or not encodable (a lone surrogate).
    """
    if not isinstance(caption, str):
        raise BadItem(where, f"expected a caption, found {show(caption)}")
    text = _text.one_line(caption)
    if _text.is_blank(text):
        raise BadItem(where, "the caption is empty")
    if "\0" in text:
        raise BadItem(where, "the caption holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        if any("\udc80" <= letter <= "\udcff" for letter in text):  # bytes that are no UTF-8
            reason = "expected a caption as UTF-8 text, found another encoding: save it as UTF-8"
        else:
            reason = "the caption holds half a surrogate pair"
        raise BadItem(where, reason) from error
    return text


class PictureFiles(Dataset):
    """Pictures that are files on disk.

    Parameters
    ----------
    spec : str
        What it was opened from.
    guard : Guard
        Knows the data folder; judges each file when it is read.
    found : dict
        Absolute path -> captions.
    problems : BadItems
        What was left out while reading.
    max_pixels : int
        Pictures with more are refused before they are decoded.
    hard_negatives : dict, optional
        Absolute path -> hard negatives, of those that have some.
    """

    def __init__(
        self,
        spec: str,
        guard: Guard,
        found: dict[str, list[str]],
        problems: BadItems,
        max_pixels: int = images.MAX_PIXELS,
        hard_negatives: dict[str, list[str]] | None = None,
    ) -> None:
        self.spec = spec
        self.problems = problems
        self.max_pixels = max_pixels
        self.guard = guard
        self._paths = list(found)
        self._captions = list(found.values())
        self._negatives = {} if hard_negatives is None else hard_negatives

    def __len__(self) -> int:
        return len(self._paths)

    def captions(self, index: int) -> list[str]:
        return self._captions[index]

    @property
    def has_hard_negatives(self) -> bool:
        return any(path in self._negatives for path in self._paths)

    def hard_negatives(self, index: int) -> list[str]:
        return self._negatives.get(self._paths[index], [])

    @property
    def root(self) -> str:
        """The data folder, an absolute path."""
        return self.guard.root

    @property
    def allow_outside(self) -> bool:
        """Whether paths that leave the data folder are followed."""
        return self.guard.allow_outside

    def path(self, index: int) -> str:
        """The file of picture `index`."""
        return self._paths[index]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of picture `index`, by its header."""
        name = self.name(index)
        return images.size_of(self.guard.check(self._paths[index], name), name)

    def relative_path(self, index: int) -> str:
        """The file of picture `index`, seen from the data folder."""
        return os.path.relpath(self._paths[index], self.guard.root)

    def name(self, index: int) -> str:
        return printable(self.relative_path(index))

    def content(self, index: int) -> bytes:
        """The file of picture `index`, as it is.

        Raises
        ------
        BadItem
            When it is missing, no regular file, too large, or outside by a link.
        """
        return images.content_of(self.source(index).path, self.name(index))

    def source(self, index: int) -> Source:
        return Source(self.guard.check(self._paths[index], self.name(index)))

    def load(self, index: int) -> np.ndarray:
        return images.read(self.content(index), self.name(index), self.max_pixels)
