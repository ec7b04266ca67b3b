"""What loading hands on: chunks of pictures on their way in, batches on their way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from csparc._repr import fields_line
from csparc.data.loading.duplicates import Drawn, Item
from csparc.data.report import BadItem

CHUNK = 16
"""Pictures handed to a decoding thread at once: enough to make the hand-over cheap."""

Batch = dict[str, np.ndarray]


@dataclass
class Chunk:
    """Consecutive pictures of an epoch, and their items.

    A picture that cannot be decoded is its exception instead.
    """

    epoch: int
    drawn: Sequence[Drawn]
    position: int
    """In the epoch's order, behind what was drawn."""
    last: bool = False
    waited: bool = False
    """They waited for a batch when the run was interrupted, and come first."""
    items: list[Item | Exception] = field(default_factory=list)

    __repr__ = fields_line


@dataclass
class Made:
    """A batch (None at the end of an epoch), the cursor after it, the bad items on the way."""

    batch: Batch | None
    epoch: int
    position: int
    bad: list[tuple[int, BadItem]]
    """Each with the number of its part of the data."""
    waiting: list[int]
    """Numbers of pictures; of a data set that repeats some, places in the epoch's order."""

    __repr__ = fields_line
