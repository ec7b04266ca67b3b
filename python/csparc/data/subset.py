"""Some of a data set's pictures, as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from csparc import _random
from csparc._scalars import number
from csparc.data.dataset import Dataset
from csparc.data.report import BadItems
from csparc.data.source import Source

if TYPE_CHECKING:
    from csparc.data.regions import Regions

_SPLIT = int.from_bytes(b"split", "big")


class Subset(Dataset):
    """Pictures ``items`` of ``dataset``, in that order.

    Parameters
    ----------
    dataset : Dataset
    items : integer array [N]
    spec : str, optional
        What messages call it; default what the whole is called.
    problems : BadItems, optional
        What counts as left out; default what the whole left out.
    """

    def __init__(
        self,
        dataset: Dataset,
        items: Sequence[int] | np.ndarray,
        spec: str | None = None,
        problems: BadItems | None = None,
    ) -> None:
        self.dataset = dataset
        self.items = np.asarray(items, dtype=np.int64)
        self.spec = dataset.spec if spec is None else spec
        self.problems = dataset.problems if problems is None else problems

    @property
    def cacheable(self) -> bool:
        """As of the data set it is a part of."""
        return self.dataset.cacheable

    @property
    def pairs_shuffled(self) -> bool:
        """As of the data set it is a part of."""
        return self.dataset.pairs_shuffled

    def __len__(self) -> int:
        return len(self.items)

    def captions(self, index: int) -> list[str]:
        return self.dataset.captions(int(self.items[index]))

    @property
    def has_hard_negatives(self) -> bool:
        return self.dataset.has_hard_negatives and any(map(self.hard_negatives, range(len(self))))

    def hard_negatives(self, index: int) -> list[str]:
        return self.dataset.hard_negatives(int(self.items[index]))

    def name(self, index: int) -> str:
        return self.dataset.name(int(self.items[index]))

    @property
    def max_pixels(self) -> int:
        """As of the data set behind it."""
        return self.dataset.max_pixels

    def source(self, index: int) -> Source | None:
        return self.dataset.source(int(self.items[index]))

    def load(self, index: int) -> np.ndarray:
        return self.dataset.load(int(self.items[index]))

    @property
    def has_regions(self) -> bool:
        """As of the data set it is a part of."""
        return self.dataset.has_regions

    def regions(self, index: int) -> Regions:
        return self.dataset.regions(int(self.items[index]))

    def label_names(self, by: str = "") -> tuple[str, ...]:
        return self.dataset.label_names(by)

    def label_map(self, index: int, by: str = "") -> np.ndarray:
        return self.dataset.label_map(int(self.items[index]), by)

    def said_words(self, index: int) -> frozenset[str]:
        return self.dataset.said_words(int(self.items[index]))

    def shown_words(self, index: int) -> frozenset[str]:
        return self.dataset.shown_words(int(self.items[index]))


def split(dataset: Dataset, share: float, seed: int = 0) -> tuple[Subset, Subset]:
    """Split a data set at random into (the rest, a ``share`` of its pictures, at least one).

    Which pictures go where is a function of ``seed`` and the number of pictures alone; both parts
    keep the order of the data set.

    Raises
    ------
    ValueError
        A share outside (0, 1), or fewer than two pictures.
    """
    count = len(dataset)
    share = number(share, "share", above=0, below=1)
    if count < 2:
        raise ValueError(f"dataset: expected at least 2 pictures to split, found {count}")
    held = min(count - 1, max(1, round(share * count)))
    order = _random.permutation(seed, _SPLIT, count)
    rest, part = np.sort(order[held:]), np.sort(order[:held])
    # Of so few pictures one bad one may be half: the larger part judges the whole.
    return (
        Subset(dataset, rest, f"{dataset.spec} (training part)"),
        Subset(dataset, part, f"{dataset.spec} (held-out part)", BadItems(1.0)),
    )
