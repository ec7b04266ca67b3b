"""The demo's data: what it trains on, what it holds out, how pictures reach the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from csparc import _random
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem, BadItems
from csparc.data.scenes.dataset import Scenes
from csparc.data.shuffled import warn_if_shuffled
from csparc.data.subset import Subset
from csparc.errors import DataError
from csparc.evaluate.encode import Features
from csparc.evaluate.scenes import caption_numbers, is_true

SCENES_TRAIN = 100_000
HELD_OUT = 500
_LEAST_PICTURES = 8
_LEAST_HELD_OUT = 2
_STREAM = (0x64656D6F,)


@dataclass(frozen=True)
class DemoData:
    """Pairs to train on and pairs held out; ``scenes`` are the held-out ones where generated,
    ``unreadable`` the pictures that were drawn to be held out and cannot be read."""

    train: Dataset
    held_out: Dataset
    scenes: Scenes | None
    description: str
    unreadable: BadItems = field(default_factory=BadItems)

    def truth(self, features: Features) -> Callable[[int, int], bool | None]:
        """``truth(row, caption)``: whether a caption of ``features`` is true of the picture of a
        row; None for pictures nobody knows the truth of."""
        if self.scenes is None:
            return lambda row, caption: None
        numbers = caption_numbers(features.image_index)

        def known(row: int, caption: int) -> bool:
            owner = int(features.items[features.image_index[caption]])
            return is_true(self.scenes, int(features.items[row]), owner, int(numbers[caption]))

        return known


def open_demo_data(spec: str | None, seed: int, max_pixels: int | None = None) -> DemoData:
    """Generated scenes, or a tenth (500 at most) of a person's own pictures held out.

    A picture that cannot be read is not held out, the next one is in its place: of so few, one less
    may be half, and words are measured on another picture's patches too.

    Raises
    ------
    DataError
        Fewer than eight pictures, fewer than two that can be read, or whatever is wrong with
        ``spec``.
    """
    if spec is None:
        train = Scenes(size=SCENES_TRAIN, seed=seed, split="train")
        test = Scenes(size=HELD_OUT, seed=seed, split="test")
        return DemoData(train, test, test, "procedurally generated scenes")
    import csparc.data

    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    whole = csparc.data.open(spec, **limit)
    warn_if_shuffled(whole, "shown and evaluated")
    if len(whole) < _LEAST_PICTURES:
        raise DataError(f"{spec}: expected at least {_LEAST_PICTURES} pictures, found {len(whole)}")
    order = _random.permutation(seed, _STREAM, len(whole))
    wanted = min(HELD_OUT, max(_LEAST_HELD_OUT, len(whole) // 10))
    held, unreadable = _readable(whole, order, wanted)
    if len(held) < _LEAST_HELD_OUT:
        raise DataError(
            f"{spec}: expected at least {_LEAST_HELD_OUT} pictures that can be read, to hold out, "
            f"found {len(held)}; {unreadable.summary(3)}"
        )
    return DemoData(
        # The unreadable ones are judged, and counted, where training meets them.
        Subset(whole, np.setdiff1d(order, held), f"{spec} (training part)", whole.problems),
        Subset(whole, np.sort(held), f"{spec} (held-out part)", BadItems(1.0)),
        None,
        f"{len(whole):,} pictures of your own",
        unreadable,
    )


def _readable(whole: Dataset, order: np.ndarray, wanted: int) -> tuple[np.ndarray, BadItems]:
    """The first ``wanted`` pictures in ``order`` that can be read, and those met that cannot."""
    held, unreadable = [], BadItems(1.0)
    for number in order.tolist():
        if len(held) == wanted:
            break
        try:
            whole.load(number)
        except BadItem as bad:
            unreadable.add(bad)
        else:
            held.append(number)
    return np.array(held, order.dtype), unreadable
