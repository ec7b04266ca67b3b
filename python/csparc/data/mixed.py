"""Several data sets that are trained on together, by pairs or by batches."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from csparc import _random
from csparc._repr import cut, line
from csparc._scalars import number
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem, BadItems
from csparc.data.rows import PairRows
from csparc.data.source import Source
from csparc.errors import DataError

BATCHES = "batches"
"""The way of `MixedBatches`, as ``mix`` calls it."""
MOST_PARTS = 1000
"""The largest sum of weights as whole numbers."""
_ORDER = int.from_bytes(b"mixed", "big")


@contextlib.contextmanager
def _told(dataset: Dataset) -> Iterator[None]:
    """A bad picture says whose it is: two data sets may call theirs the same."""
    try:
        yield
    except BadItem as bad:
        raise BadItem(f"{bad.name} of {dataset.spec}", bad.reason) from bad


class Joined(Dataset):
    """The pictures of several data sets, one set after the other, numbered through.

    Parameters
    ----------
    datasets : sequence of Dataset
        At least two, none of them several itself.

    Raises
    ------
    DataError
        Fewer than two, or some with pictures and some with features.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = list(datasets)
        if len(self.datasets) < 2 or any(isinstance(one, Joined) for one in self.datasets):
            raise DataError(
                f"datasets: expected two or more data sets that are not mixed themselves, found "
                f"{[one.spec for one in self.datasets]}"
            )
        if len({one.has_rows for one in self.datasets}) > 1:
            raise DataError("datasets: expected features in all of them or in none, found both")
        self.spec = " + ".join(one.spec for one in self.datasets)
        self.problems = BadItems(max(one.problems.max_bad for one in self.datasets))
        for one in self.datasets:
            self.problems.update(one.problems)
        sizes = [len(one) for one in self.datasets]
        self._firsts = [sum(sizes[:place]) for place in range(len(sizes))]
        self._length = sum(sizes)

    def __repr__(self) -> str:
        specs = ", ".join(cut(repr(one.spec), 30) for one in self.datasets)
        return line(self, f"{len(self):,} pictures of {len(self.datasets)} sets", specs)

    def _at(self, index: int) -> tuple[Dataset, int]:
        """The data set of a picture, and its number there."""
        part = bisect_right(self._firsts, index) - 1
        return self.datasets[part], index - self._firsts[part]

    def __len__(self) -> int:
        return self._length

    def parts(self) -> list[tuple[Dataset, int]]:
        """The data sets, and the number of each one's first picture here."""
        return list(zip(self.datasets, self._firsts))

    def captions(self, index: int) -> list[str]:
        dataset, own = self._at(index)
        return dataset.captions(own)

    @property
    def has_hard_negatives(self) -> bool:
        """Whether any of them has some."""
        return any(one.has_hard_negatives for one in self.datasets)

    def hard_negatives(self, index: int) -> list[str]:
        dataset, own = self._at(index)
        return dataset.hard_negatives(own)

    def name(self, index: int) -> str:
        dataset, own = self._at(index)
        return f"{dataset.name(own)} of {dataset.spec}"

    @property
    def max_pixels(self) -> int:
        """The least of theirs: what it allows, all of them do."""
        return min(one.max_pixels for one in self.datasets)

    def source(self, index: int) -> Source | None:
        dataset, own = self._at(index)
        with _told(dataset):
            return dataset.source(own)

    def load(self, index: int) -> np.ndarray:
        dataset, own = self._at(index)
        with _told(dataset):
            return dataset.load(own)

    @property
    def has_rows(self) -> bool:
        """As of all of them."""
        return self.datasets[0].has_rows

    def rows(self, index: int) -> PairRows:
        dataset, own = self._at(index)
        return dataset.rows(own)

    @property
    def generated(self) -> bool:
        """Whether all of them are."""
        return all(one.generated for one in self.datasets)

    @property
    def cacheable(self) -> bool:
        """Whether any of them is."""
        return any(one.cacheable for one in self.datasets)

    @property
    def pairs_shuffled(self) -> bool:
        """Whether those of any of them are."""
        return any(one.pairs_shuffled for one in self.datasets)

    def said_words(self, index: int) -> frozenset[str]:
        dataset, own = self._at(index)
        return dataset.said_words(own)

    def shown_words(self, index: int) -> frozenset[str]:
        dataset, own = self._at(index)
        return dataset.shown_words(own)

    def of(self, datasets: Sequence[Dataset]) -> Joined:
        """Others, as many, mixed in the same way."""
        return type(self)(datasets)

    def _way(self) -> object:
        """How they are mixed, as JSON: part of the fingerprint."""
        return None

    def fingerprint(self) -> str:
        """Of all data sets in order, and of the way they are mixed."""
        told = [self._way(), *(one.fingerprint() for one in self.datasets)]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


class Mixed(Joined):
    """Pairs of several data sets in every batch, in the ratio of ``weights``.

    Of any places in the order that follow each other, a batch for instance, each set has its share,
    rounded up or down. An epoch draws every picture of the first set once; each other set goes on
    where it was in the epoch before, in orders of its own, and begins anew when it is through:
    a small one comes several times an epoch, with other captions and crops each time. What is drawn
    is a function of seed, epoch and place alone.

    Parameters
    ----------
    datasets : sequence of Dataset
        At least two.
    weights : sequence of numbers above 0, optional
        One a set, such as (1, 2); by default all are equal. As whole numbers in the same ratio they
        sum up to 1000 at most.

    Raises
    ------
    DataError, ValueError, TypeError
        Data sets or weights that are not as above.
    """

    def __init__(self, datasets: Sequence[Dataset], weights: Sequence[float] | None = None) -> None:
        super().__init__(datasets)
        count = len(self.datasets)
        self.weights = _whole([1] * count if weights is None else weights, count)
        ratio = ":".join(map(str, self.weights))
        self.spec = f"{self.spec} (mixed {ratio})"
        pattern = _pattern(self.weights)
        periods, left = divmod(len(self.datasets[0]), self.weights[0])
        rest = int(np.flatnonzero(pattern == 0)[left - 1]) + 1 if left else 0
        self._sets = np.concatenate([np.tile(pattern, periods), pattern[:rest]])

    @property
    def epoch_length(self) -> int:
        """Pictures until the first set was gone through."""
        return len(self._sets)

    @property
    def repeats(self) -> bool:
        """True: a small set may come several times an epoch."""
        return True

    def epoch_order(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        indices = np.empty(len(self._sets), np.int64)
        passes = np.empty(len(self._sets), np.int64)
        for part, (dataset, first) in enumerate(self.parts()):
            places = np.flatnonzero(self._sets == part)
            drawn = np.arange(epoch * len(places), (epoch + 1) * len(places))
            through, within = np.divmod(drawn, len(dataset))
            passes[places] = through
            for one in np.unique(through):
                order = _random.permutation(seed, (_ORDER, part, int(one)), len(dataset))
                now = through == one
                indices[places[now]] = first + order[within[now]]
        return indices, passes

    def of(self, datasets: Sequence[Dataset]) -> Mixed:
        return Mixed(datasets, self.weights)

    def _way(self) -> object:
        return self.weights


class MixedBatches(Joined):
    """A batch of each of several data sets in every step, whose gradients are summed.

    So the SPARC paper trains on several data sets at once. No pair is contrasted with one of
    another set, and a step costs as much as one of each. Every set goes through epochs of its own;
    those of a run are counted in the first.

    Parameters
    ----------
    datasets : sequence of Dataset
        At least two.

    Raises
    ------
    DataError
        As of `Joined`.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        super().__init__(datasets)
        self.spec = f"{self.spec} (a batch of each)"

    @property
    def epoch_length(self) -> int:
        """Pictures of the first set."""
        return len(self.datasets[0])

    def _way(self) -> object:
        return BATCHES


def mixed(datasets: Sequence[Dataset], mix: str | Sequence[float] | None = None) -> Joined:
    """`MixedBatches` for "batches", else `Mixed` with ``mix`` as its weights."""
    if isinstance(mix, str):
        if mix != BATCHES:
            raise ValueError(f"mix: expected weights or {BATCHES!r}, found {mix!r}")
        return MixedBatches(datasets)
    return Mixed(datasets, mix)


def _whole(weights: Sequence[float], count: int) -> tuple[int, ...]:
    """Weights as the smallest whole numbers of their ratio."""
    if len(weights) != count:
        raise ValueError(f"mix: expected {count} weights, one a data set, found {len(weights)}")
    exact = [Fraction(str(number(weight, "mix", above=0))) for weight in weights]
    least = Fraction(
        math.gcd(*(one.numerator for one in exact)), math.lcm(*(one.denominator for one in exact))
    )
    whole = tuple(int(one / least) for one in exact)
    if sum(whole) > MOST_PARTS:
        raise ValueError(
            f"mix: expected weights in a ratio of whole numbers that sum up to {MOST_PARTS} at "
            f"most, found {':'.join(map(str, whole))}"
        )
    return whole


def _pattern(weights: Sequence[int]) -> np.ndarray:
    """The set of each place of a period, int64 [sum of weights], as evenly as can be: the set that
    is furthest behind its share comes next."""
    total, behind, order = sum(weights), [0] * len(weights), []
    for _ in range(total):
        behind = [have + weight for have, weight in zip(behind, weights)]
        chosen = behind.index(max(behind))
        behind[chosen] -= total
        order.append(chosen)
    return np.array(order, np.int64)
