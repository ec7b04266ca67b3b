"""A training step of an encoder preset, forward and backward of both towers, split by op.

    python benchmarks/bench_model.py --model nano --batch-size 256 --threads 2

Prints the best of several steps, pairs per second, the fraction of the FMA peak measured in this
process, and the share of each op. On a machine that is busy with other things take --threads 1
--clock cpu, which counts this process's own time.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

import csparc
from csparc import _core, nn
from csparc.models import model_info
from csparc.nn import functional

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PEAK_ROUNDS = 40_000


class TimedCore:
    """Stands in for the core: the same functions, and the time spent in each."""

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def timed(self, name: str) -> Callable[..., None]:
        function = getattr(_core, name)

        def call(*arguments: Any) -> None:
            start = self.clock()
            function(*arguments)
            self.seconds[name] += self.clock() - start
            self.calls[name] += 1

        return call

    def __getattr__(self, name: str) -> Callable[..., None]:
        self.__dict__[name] = self.timed(name)
        return self.__dict__[name]


def watch(core: TimedCore) -> None:
    """Let the tape's ops run through ``core``."""
    functional._core = core
    nn.tape._core = core
    for kind in functional._ACTIVATIONS:
        functional._ACTIVATIONS[kind] = (
            core.timed(f"{kind}_forward"),
            core.timed(f"{kind}_backward"),
        )


def batch(config: Any, size: int, median: int | None) -> tuple[np.ndarray, ...]:
    """Random images and captions; ``median`` makes lengths vary around it, None: full length."""
    rng = np.random.default_rng(0)
    side, length = config.image_size, config.context_length
    image = rng.normal(size=(size, 3, side, side)).astype(np.float32)
    text = rng.integers(1, config.vocab_size, (size, length)).astype(np.int32)
    lengths = np.full(size, length)
    if median is not None:
        lengths = np.clip(np.rint(rng.normal(median, median / 4, size)), 3, length)
    mask = np.arange(length) < lengths[:, None]
    return image, np.where(mask, text, 0).astype(np.int32), mask


def fma_rate(clock: Callable[[], float], threads: int) -> float:
    """FLOP a second of multiply-adds alone."""
    done = np.empty(threads)
    start = clock()
    _core.fma_peak(PEAK_ROUNDS, done)
    return float(done.sum()) / (clock() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--vocab-size", type=int, default=1000)
    parser.add_argument("--median-length", type=int, help="of captions; default: all full")
    parser.add_argument("--threads", type=int, default=csparc.get_num_threads())
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    csparc.set_num_threads(options.threads)
    clock = CLOCKS[options.clock]
    model = csparc.create_model(options.model, vocab_size=options.vocab_size)
    data = batch(model.config, options.batch_size, options.median_length)
    tape = nn.Tape()
    seeds: dict[str, np.ndarray] = {}

    def step() -> float:
        start = clock()
        out = model(*data, tape=tape)
        for name, tensor in vars(out).items():
            seeds.setdefault(name, np.full_like(tensor.data, 1e-3))
        tape.backward({tensor: seeds[name] for name, tensor in vars(out).items()})
        return clock() - start

    for _ in range(2):
        step()
    best = min(step() for _ in range(options.steps))
    flop = 3 * model_info(model.config).flop * options.batch_size
    peak = max(fma_rate(clock, options.threads) for _ in range(options.steps))
    print(
        f"{options.model}, batch {options.batch_size}, {options.threads} threads, {options.clock} "
        f"time: {best * 1e3:.1f} ms a step, {options.batch_size / best:.0f} pairs/s, "
        f"{flop / best * 1e-9:.0f} GFLOP/s, {flop / best / peak:.0%} of the FMA peak; "
        f"buffers {nn.BUFFERS.size / 2**20:.0f} MiB"
    )
    core = TimedCore(clock)
    watch(core)
    total = sum(step() for _ in range(options.steps)) / options.steps
    for name, seconds in sorted(core.seconds.items(), key=lambda item: -item[1]):
        each = seconds / options.steps
        calls = core.calls[name] // options.steps
        print(f"  {name:22s} {each * 1e3:8.2f} ms {each / total:5.0%}  {calls:3d} calls")
    rest = total - sum(core.seconds.values()) / options.steps
    print(f"  {'outside ops':22s} {rest * 1e3:8.2f} ms {rest / total:5.0%}")


if __name__ == "__main__":
    main()
