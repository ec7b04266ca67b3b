"""Batches of several data sets in turn, each loaded by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from csparc._repr import line
from csparc.data.dataset import Dataset
from csparc.data.loading import cache
from csparc.data.loading.loader import Loader
from csparc.data.mixed import MixedBatches
from csparc.data.report import BadItem, BadItems
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess


class AlternatingLoader:
    """A batch of the first data set, one of the second, and so on, again and again.

    Arguments and attributes as of `Loader`. Each set has its own order, epochs and bad items;
    ``index`` counts within the set. The cursor is that of the first set, with ``turn``, whose batch
    comes next, and ``others``, the cursors of the other sets.
    """

    def __init__(
        self,
        dataset: MixedBatches,
        tokenizer: Tokenizer | None,
        transform: Preprocess,
        batch_size: int,
        seed: int = 0,
        cursor: dict | None = None,
        *,
        cache_bytes: int = cache.DEFAULT_BYTES,
        on_bad: Callable[[BadItem], None] | None = None,
        **options: Any,
    ) -> None:
        sets = dataset.datasets
        first = dict(cursor or {})
        self._turn = first.pop("turn", 0)
        others = first.pop("others", [None] * (len(sets) - 1))
        self.report = BadItems(dataset.problems.max_bad)
        self.report.update(dataset.problems)
        self._on_bad = on_bad
        self._loaders = [
            Loader(
                one, tokenizer, transform, batch_size, seed, place, on_bad=self._noted(one),
                cache_bytes=cache_bytes // len(sets), **options,
            )
            for one, place in zip(sets, [first or None, *others], strict=True)
        ]  # fmt: skip

    def __repr__(self) -> str:
        return line(self, *map(repr, self._loaders))

    @property
    def summed(self) -> int:
        """Batches of a step whose gradients are summed: one of each set."""
        return len(self._loaders)

    @property
    def reports(self) -> list[BadItems]:
        """What was skipped so far of each data set."""
        return [loader.report for loader in self._loaders]

    @property
    def cursor(self) -> dict:
        first, *others = (loader.cursor for loader in self._loaders)
        return {**first, "turn": self._turn, "others": others}

    def batches_in(self, epoch: int) -> int:
        """Batches of an epoch of the first set."""
        return self._loaders[0].batches_in(epoch)

    def __iter__(self) -> AlternatingLoader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        batch = next(self._loaders[self._turn])
        self._turn = (self._turn + 1) % len(self._loaders)
        return batch

    def close(self) -> None:
        """Stop the threads of all sets and wait for them."""
        with ExitStack() as stack:
            for loader in self._loaders:
                stack.callback(loader.close)

    def __enter__(self) -> AlternatingLoader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _noted(self, dataset: Dataset) -> Callable[[BadItem], None]:
        """What to do with each new bad item of a set: two sets may call theirs the same."""

        def note(bad: BadItem) -> None:
            named = BadItem(f"{bad.name} of {dataset.spec}", bad.reason)
            if self.report.add(named) and self._on_bad is not None:
                self._on_bad(named)

        return note


def loader_of(dataset: Dataset, *arguments: Any, **options: Any) -> Loader | AlternatingLoader:
    """The loader of a data set to train on; arguments as of `Loader`."""
    kind = AlternatingLoader if isinstance(dataset, MixedBatches) else Loader
    return kind(dataset, *arguments, **options)
