"""Pictures and their captions, gathered row by row from the tables of a data set."""

from __future__ import annotations

from collections.abc import Iterable

from csparc.data.caption_text import clean_caption
from csparc.data.options import Options
from csparc.data.readers import hard_negatives
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

_NO_VALUE = frozenset({"nan", "none", "null", "<na>"})
"""What a data frame writes where a cell was empty."""


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
