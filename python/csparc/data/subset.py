"""Some of a data set's pictures, as a data set."""

from __future__ import annotations

import numpy as np

from csparc import _random
from csparc.data.dataset import Dataset

_SPLIT = int.from_bytes(b"split", "big")


class Subset(Dataset):
    """Pictures ``numbers`` of ``dataset``, in that order.

    Parameters
    ----------
    dataset : Dataset
    numbers : integer array [N]
    """

    def __init__(self, dataset: Dataset, numbers: np.ndarray) -> None:
        self.dataset = dataset
        self.numbers = np.asarray(numbers, dtype=np.int64)
        self.problems = dataset.problems

    @property
    def spec(self) -> str:
        """What the whole data set was opened from."""
        return self.dataset.spec

    def __len__(self) -> int:
        return len(self.numbers)

    def captions(self, index: int) -> list[str]:
        return self.dataset.captions(int(self.numbers[index]))

    def name(self, index: int) -> str:
        return self.dataset.name(int(self.numbers[index]))

    def load(self, index: int) -> np.ndarray:
        return self.dataset.load(int(self.numbers[index]))


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
    if not 0 < share < 1:
        raise ValueError(f"share: expected more than 0 and less than 1, found {share!r}")
    if count < 2:
        raise ValueError(f"dataset: expected at least 2 pictures to split, found {count}")
    held = min(count - 1, max(1, round(share * count)))
    order = _random.permutation(seed, _SPLIT, count)
    return Subset(dataset, np.sort(order[held:])), Subset(dataset, np.sort(order[:held]))
