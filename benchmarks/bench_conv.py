"""Convolutions of the local towers on one core, forward and backward, against the FMA peak.

    python benchmarks/bench_conv.py --case nano-local-1

A case a convolution of a preset's stem, the last of them the residual block's; nano-local with a
batch of 64 pictures, tiny-local with 16. The first reads pictures and has no gradient of its input.
Seconds are those the process ran, so that others on the machine disturb less.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core
from csparc.models import PRESETS

BATCHES = {"nano-local": 64, "tiny-local": 16}
REPEATS, CALLS = 12, 4


def convolutions(preset: str) -> list[tuple[int, int, int, int]]:
    """Side of the input, channels in and out, stride, of each."""
    config = PRESETS[preset]
    found, side, inputs = [], config.image_size, 3
    for width in config.stem_widths:
        found.append((side, inputs, width, 2))
        side, inputs = side // 2, width
    return [*found, (side, inputs, 2 * inputs, 1)]


CASES = {
    f"{preset}-{i + 1}": (batch, *sizes)
    for preset, batch in BATCHES.items()
    for i, sizes in enumerate(convolutions(preset))
}


def processor_seconds(call: Callable[[], object]) -> float:
    """Seconds this process computed in one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def calls(
    batch: int, side: int, inputs: int, outputs: int, stride: int
) -> dict[str, tuple[float, Callable[[], None]]]:
    """FLOP and call, by name."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    first = inputs == 3
    x = draw(batch, inputs, side, side) if first else draw(batch, side, side, inputs)
    weight, bias, small = draw(outputs, inputs, 3, 3), draw(outputs), side // stride
    y, dy = np.empty((batch, small, small, outputs), np.float32), draw(batch, small, small, outputs)
    dx, dweight, dbias = None if first else np.empty_like(x), weight.copy(), bias.copy()
    forward = _core.conv_planar_forward if first else _core.conv_forward
    backward = _core.conv_planar_backward if first else _core.conv_backward
    flop = 18.0 * batch * small * small * inputs * outputs
    return {
        "forward": (flop, lambda: forward(x, weight, bias, stride, y)),
        "backward": (
            flop * (1 if first else 2),
            lambda: backward(x, weight, stride, dy, dx, dweight, dbias),
        ),
    }


def run(case: str, limits: Limits) -> Measurement:
    csparc.set_num_threads(limits.threads)
    batch, side, inputs, outputs, stride = CASES[case]
    found = calls(batch, side, inputs, outputs, stride)
    entries = {name: call for name, (_, call) in found.items()}
    work = {name: flop for name, (flop, _) in found.items()}
    result = interleave(entries, work, REPEATS, limits, calls=CALLS, timer=processor_seconds)
    result.compared = False
    result.notes["isa"] = _core.config()["isa"]
    result.notes["shape"] = f"{batch} x {side} x {side} x {inputs} to {outputs}, stride {stride}"
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=1)), __doc__.split("\n")[0])
