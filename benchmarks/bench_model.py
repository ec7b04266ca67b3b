"""A training step of an encoder preset, forward and backward of both towers, split by op; or
encoding pictures and captions.

    python benchmarks/bench_model.py --case nano

FLOP of the encoders, thrice the forward's in training. Beside the rate: pairs per second, the
buffers, and the share of each op that takes a hundredth of the time or more, of steps timed after
the others. The peak is that of float32, in bfloat16, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import nn
from csparc.models import model_info
from csparc.profile import Profile

VOCABULARY = 1000


@dataclass(frozen=True)
class Case:
    """``median``: captions of lengths around it; None: all full. ``encode``: forward alone."""

    preset: str
    B: int
    median: int | None = None
    repeats: int = 8
    precision: str = "fp32"
    encode: bool = False


CASES = {
    "nano": Case("nano", 256),
    "nano-local": Case("nano-local", 256),
    "nano-captions": Case("nano", 256, median=12),
    "small": Case("small", 16),
    "vit-b-32": Case("vit-b-32", 16),
    "vit-b-32-bf16": Case("vit-b-32", 16, precision="bf16"),
    "vit-b-32-encode": Case("vit-b-32", 32, encode=True),
    "vit-b-32-encode-bf16": Case("vit-b-32", 32, precision="bf16", encode=True),
}


def batch(config: Any, case: Case) -> tuple[np.ndarray, ...]:
    """Random images, captions, and the mask of valid tokens."""
    rng = np.random.default_rng(0)
    side, length = config.image_size, config.context_length
    image = rng.normal(size=(case.B, 3, side, side)).astype(np.float32)
    text = rng.integers(1, config.vocab_size, (case.B, length)).astype(np.int32)
    lengths = np.full(case.B, length)
    if case.median is not None:
        spread = np.rint(rng.normal(case.median, case.median / 4, case.B))
        lengths = np.clip(spread, 3, length)
    mask = np.arange(length) < lengths[:, None]
    return image, np.where(mask, text, 0).astype(np.int32), mask


def training_step(model: Any, data: tuple[np.ndarray, ...]) -> Callable[[], None]:
    """Forward and backward of both towers, from gradients that stand for a loss's."""
    tape = nn.Tape()
    seeds: dict[str, np.ndarray] = {}

    def step() -> None:
        out = model(*data, tape=tape)
        for name, tensor in vars(out).items():
            seeds.setdefault(name, np.full_like(tensor.data, 1e-3))
        tape.backward({tensor: seeds[name] for name, tensor in vars(out).items()})

    return step


def shares(step: Callable[[], None], repeats: int) -> dict[str, float]:
    """Percent of a step by op, the largest first; what is too small to name is left out."""
    with Profile() as profile:
        for _ in range(repeats):
            profile.begin()
            start = time.perf_counter()
            step()
            profile.end(time.perf_counter() - start)
    steps = profile.steps
    spent: dict[str, float] = {}
    for entry in steps.entries.values():
        spent[entry.op] = spent.get(entry.op, 0.0) + entry.seconds
    spent["outside ops"] = steps.seconds - sum(spent.values())
    percent = {f"{name}, % of a step": 100 * s / steps.seconds for name, s in spent.items()}
    return dict(sorted(((n, p) for n, p in percent.items() if p >= 1), key=lambda x: -x[1]))


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    model = csparc.create_model(case.preset, vocab_size=VOCABULARY, precision=case.precision)
    data = batch(model.config, case)
    flop = float(model_info(model.config).flop * case.B)
    if case.encode:
        step, entry = (lambda: model(*data)), f"encoding of {case.B} pairs"
    else:
        step, entry = training_step(model, data), f"step of {case.B} pairs"
        flop *= 3
    result = interleave({entry: step}, {entry: flop}, case.repeats, limits)
    result.figures = {
        "pairs a second": case.B / result.best(entry),
        "buffers, MiB": nn.BUFFERS.size / 2**20,
        **shares(step, max(2, len(result.seconds[entry]) // 2)),
    }
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
