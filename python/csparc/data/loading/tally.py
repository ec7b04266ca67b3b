"""How many of a data set's pictures are bad; of several data sets each is judged by itself."""

from __future__ import annotations

from bisect import bisect_right

from csparc._repr import line
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem, BadItems


class Tally:
    """The bad pictures of one data set, with what it left out itself.

    Attributes
    ----------
    report : BadItems
    """

    def __init__(self, dataset: Dataset) -> None:
        self.report = BadItems(dataset.problems.max_bad)
        self.report.update(dataset.problems)
        self._spec = dataset.spec
        self._left_out = len(self.report)
        self._total = len(dataset) + self._left_out
        self._indices: set[int] = set()

    def __repr__(self) -> str:
        return line(self, f"{self._bad} of {self._total}")

    @property
    def _bad(self) -> int:
        """Pictures count by their numbers, as names may be given to several."""
        return self._left_out + len(self._indices)

    def add(self, index: int, item: BadItem) -> None:
        """Note a bad picture; raise DataError when there are too many."""
        self.report.add(item)
        if index not in self._indices:
            self._indices.add(index)
            if self._bad > self.report.max_bad * self._total:
                self.check()

    def check(self) -> None:
        """Raise DataError when too much is bad, or nothing is left."""
        self.report.check(self._total, self._spec, self._bad)


class Tallies:
    """Those of the parts of a data set."""

    def __init__(self, dataset: Dataset) -> None:
        parts = dataset.parts()
        self.each = [Tally(part) for part, _ in parts]
        self._firsts = [first for _, first in parts]

    def __repr__(self) -> str:
        return line(self, *map(repr, self.each))

    def add(self, index: int, item: BadItem) -> int:
        """Note a bad picture; returns the number of its part."""
        part = bisect_right(self._firsts, index) - 1
        self.each[part].add(index, item)
        return part

    def check(self) -> None:
        """Raise DataError when too much of any part is bad."""
        for tally in self.each:
            tally.check()

    def summary(self, most: int) -> str:
        """The reports of all parts on one line."""
        return "; ".join(tally.report.summary(most) for tally in self.each)
