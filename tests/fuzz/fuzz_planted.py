"""Cases whose outcome is known, by number: what a run must see."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from fuzz_runs import LARGEST, REFUSED, TAKEN, Wrong, draws

SEED = 5


class Generator:
    def __init__(self, folder: Path) -> None:
        assert list(folder.iterdir()) == []
        drawn = [draws("planted", SEED, number).random() for number in range(8)]
        self.number = {value: number for number, value in enumerate(drawn)}

    def case(self, rng: np.random.Generator) -> str:
        number = self.number[rng.random()]
        if number == 1:
            raise Wrong("said to be wrong")
        if number == 2:
            os.abort()
        if number == 3:
            time.sleep(1000)
        if number == 4:
            np.ones(2 * LARGEST, np.uint8)
        if number == 5:
            raise KeyError("of the reader")
        return REFUSED if number == 6 else TAKEN
