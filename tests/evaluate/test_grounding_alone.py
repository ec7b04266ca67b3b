"""Grounding on fewer than two readable pictures names them, and those that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

import csparc
from csparc.data.report import BadItems
from csparc.errors import DataError
from csparc.evaluate.diagnose import diagnose
from csparc.trainer.state import default_preprocess


class Some(small_training.Scenes):
    """Scenes of which only the ``readable`` ones can be decoded."""

    def __init__(self, size: int, readable: set[int]) -> None:
        super().__init__(tier="S", size=size)
        self.readable = readable
        self.problems = BadItems(1.0)

    def load(self, index: int) -> np.ndarray:
        if index not in self.readable:
            raise csparc.data.BadItem(self.name(index), "is empty")
        return super().load(index)


@pytest.mark.parametrize(
    ("size", "readable", "says"),
    [
        (1, {0}, "found train/0 alone$"),
        (2, {1}, "found train/1 alone; 1 bad item skipped: train/0: is empty"),
        (5, {2}, "found train/2 alone; 4 bad items skipped: train/0, train/1, train/3: is empty"),
    ],
)
def test_one_picture_is_named(size, readable, says):
    model = small_training.model()
    with pytest.raises(DataError, match=says):
        diagnose(
            model, small_training.tokenizer(), Some(size, readable), default_preprocess(model),
            "sparc",
        )  # fmt: skip
