"""Generated scenes a second on one core: python benchmarks/bench_scenes.py [REPEATS]

Best of REPEATS (default 5) runs of 2000 scenes of each tier, training split: objects drawn and
painted in one call (batch), picture by picture (load), the five captions (captions), and load plus
captions, each of which draws the objects again (all).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import csparc
from csparc.data.scene import TIERS
from csparc.data.scenes import Scenes

COUNT = 2000


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(tier: str, seed: int) -> dict[str, float]:
    """Seconds a scene; a new seed each time, because captions once made are kept."""
    scenes = Scenes(tier=tier, size=COUNT, seed=seed)
    batch = seconds(lambda: scenes.load_batch(range(COUNT)))
    load = seconds(lambda: [scenes.load(index) for index in range(COUNT)])
    captions = seconds(lambda: [scenes.captions(index) for index in range(COUNT)])
    times = {"batch": batch, "load": load, "captions": captions, "all": load + captions}
    return {name: value / COUNT for name, value in times.items()}


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    csparc.set_num_threads(1)
    for tier in TIERS:
        runs = [measure(tier, seed) for seed in range(repeats)]
        best = {name: min(run[name] for run in runs) for name in runs[0]}
        rates = "  ".join(f"{name} {1 / value:7.0f}" for name, value in best.items())
        print(f"tier {tier}, scenes a second: {rates}")


if __name__ == "__main__":
    main()
