"""Items that cannot be used: skipped, counted, named once with the reason, summed up at the end."""

from __future__ import annotations

import sys

from csparc._repr import line
from csparc._scalars import number
from csparc.errors import DataError

DEFAULT_MAX_BAD = 0.1


class BadItem(DataError):
    """One picture, row or caption that cannot be used.

    Attributes
    ----------
    name : str
        Which item: a path, or a file and its row.
    reason : str
        What is wrong with it.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class BadItems:
    """The bad items of one data set, in the order in which they were met, and notes on the rest.

    Parameters
    ----------
    max_bad : float
        The share of bad items, 0 to 1, above which `check` raises.
    """

    def __init__(self, max_bad: float = DEFAULT_MAX_BAD) -> None:
        self.max_bad = number(max_bad, "max_bad", low=0, high=1)
        self.reasons: dict[str, str] = {}
        self._notes: dict[str, bool] = {}

    def __repr__(self) -> str:
        return line(self, f"{len(self):,} found", max_bad=self.max_bad)

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, item: BadItem) -> bool:
        """Note an item; True when it was not known yet (so that it is named once)."""
        new = item.name not in self.reasons
        if new:
            self.reasons[item.name] = sys.intern(item.reason)  # a broken file has one of thousands
        return new

    def update(self, other: BadItems) -> None:
        """Take over the items of another report."""
        for name, reason in other.reasons.items():
            self.reasons.setdefault(name, reason)
        self._notes |= other._notes

    def note(self, text: str, warn: bool = False) -> None:
        """Say in one line what else was found, such as files that are not used, counted by kind.

        With ``warn`` `csparc.data.open` gives a warning of it: what was read may not be what was
        meant.
        """
        self._notes[text] = warn or self._notes.get(text, False)

    def notes(self, warn: bool | None = None) -> list[str]:
        """The notes in order; with ``warn`` those alone that are warned of, or that are not."""
        return [text for text, warned in self._notes.items() if warn in (None, warned)]

    def summary(self, most: int = 5) -> str:
        """One line: how many, and the first `most` of them, those of one reason together."""
        if not self.reasons:
            return "no bad items"
        together: dict[str, list[str]] = {}
        for name, reason in list(self.reasons.items())[:most]:
            together.setdefault(reason, []).append(name)
        named = [f"{', '.join(names)}: {reason}" for reason, names in together.items()]
        more = len(self.reasons) - most
        tail = f"; and {more} more" if more > 0 else ""
        noun = "item" if len(self.reasons) == 1 else "items"
        return f"{len(self.reasons)} bad {noun} skipped: {'; '.join(named)}{tail}"

    def check(self, total: int, source: str = "data", bad: int | None = None) -> None:
        """Raise when nothing usable is left, or when too much is bad.

        Parameters
        ----------
        total : int
            All items met, the bad ones included.
        source : str
            What the items came from, for the message.
        bad : int, optional
            How many are bad, where several may share a name; by default as many as have names.

        Raises
        ------
        DataError
            When `total` items leave nothing, or more than `max_bad * total` are bad.
        """
        bad = len(self.reasons) if bad is None else bad
        if bad >= total:
            found = self.summary(most=3) if bad else "found none"
            raise DataError(f"{source}: nothing is left: expected pictures with captions, {found}")
        if bad > self.max_bad * total:
            raise DataError(
                f"{source}: {bad} of {total} items are bad, more than max_bad={self.max_bad:g} "
                f"allows; {self.summary(most=3)}"
            )
