"""Generated scenes a second on one core, by tier, training split.

    python benchmarks/bench_scenes.py --case M

Objects drawn and painted in one call (batch), picture by picture (load), the five captions
(captions), and load plus captions, each of which draws the objects again (all).
"""

from __future__ import annotations

from itertools import count

from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc.data.scenes import Scenes
from csparc.data.scenes.scene import TIERS

COUNT, REPEATS = 500, 5


def run(tier: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    seeds = count()

    def scenes() -> Scenes:
        """New ones for every call, because captions once made are kept."""
        return Scenes(tier=tier, size=COUNT, seed=next(seeds))

    def load(data: Scenes) -> None:
        for index in range(COUNT):
            data.load(index)

    def captions(data: Scenes) -> None:
        for index in range(COUNT):
            data.captions(index)

    def everything(data: Scenes) -> None:
        load(data)
        captions(data)

    entries = {
        "batch": lambda: scenes().load_batch(range(COUNT)),
        "load": lambda: load(scenes()),
        "captions": lambda: captions(scenes()),
        "all": lambda: everything(scenes()),
    }
    result = interleave(entries, dict.fromkeys(entries, float(COUNT)), REPEATS, limits)
    result.peak, result.unit, result.compared = 0.0, "scenes", False
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(TIERS, Setting(threads=1)), __doc__.split("\n")[0])
