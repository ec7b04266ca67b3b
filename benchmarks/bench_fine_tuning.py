"""A training step of CLIP ViT-B/32 with more and less of it locked, and with averages of weights.

    python benchmarks/bench_fine_tuning.py --case 16-pairs

Random weights and pictures; captions of about 12 tokens. Loss, clipping and optimiser are in the
step, reading pictures is not. Times are processor seconds, which a machine in use disturbs less;
they are those of one thread. FLOP of the encoders that are done: the forward pass of all layers,
and twice those of the layers that are trained. Figures: what a step takes of the time of a whole
one, and the memory it holds beyond the weights, activations and state (gradients, moments,
averages).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import nn
from csparc.cost import towers
from csparc.losses import ClipLoss
from csparc.models.groups import SIDES, tower_groups
from csparc.trainer import TrainConfig
from csparc.trainer.averages import Averages
from csparc.trainer.locking import lock_towers
from csparc.trainer.state import make_optimizer
from csparc.trainer.step import Step

MODEL, CAPTION = "ViT-B-32-quickgelu", 12
BLOCK = {"lock_image": True, "lock_image_unlocked_groups": 2}
TEXT_BLOCK = {"lock_text": True, "lock_text_unlocked_layers": 2}
CASES = {"16-pairs": 16, "64-pairs": 64}


@dataclass(frozen=True)
class Entry:
    """Settings of `TrainConfig` that say what is trained."""

    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> TrainConfig:
        return TrainConfig(steps=1, lr=1e-6, **self.settings)


ENTRIES = {
    "whole": Entry(),
    "whole, ema": Entry({"ema": 0.999}),
    "image tower locked but for a block": Entry(BLOCK),
    "image tower locked": Entry({"lock_image": True}),
    "both locked but for a block": Entry({**BLOCK, **TEXT_BLOCK}),
    "both locked but for the projections": Entry(
        {"lock_image": True, "lock_image_unlocked_groups": 1,
         "lock_text": True, "lock_text_unlocked_layers": 1}
    ),
}  # fmt: skip


def random_model() -> csparc.TwoTower:
    """Weights of the size that `csparc.create_model` draws, in a fraction of its time."""
    model, rng = csparc.create_model(MODEL, seed=None), np.random.default_rng(0)
    for parameter in model.parameters.values():
        if parameter.spread is None:
            parameter.data[...] = parameter.fill
        else:
            rng.standard_normal(out=parameter.data, dtype=np.float32)
            parameter.data *= parameter.spread
    return model


def batch(config: Any, pairs: int) -> dict[str, np.ndarray]:
    """Random pictures and captions, as a loader gives them."""
    rng = np.random.default_rng(0)
    side, length = config.image_size, config.context_length
    text = np.zeros((pairs, length), np.int32)
    lengths = np.clip(np.rint(rng.normal(CAPTION, CAPTION / 4, pairs)), 3, length).astype(int)
    for row, count in zip(text, lengths):
        row[: count - 1] = rng.integers(1, config.eos_id, count - 1)
        row[count - 1] = config.eos_id
    valid = text != 0
    image = rng.normal(size=(pairs, 3, side, side)).astype(np.float32)
    return {"image": image, "text": text, "text_mask": valid, "loss_mask": valid,
            "index": np.arange(pairs)}  # fmt: skip


def unlock(model: csparc.TwoTower, config: TrainConfig) -> None:
    """Train what this entry trains, whatever the one before did."""
    model.freeze(frozen=False)
    lock_towers(model, config)


def training_step(model: csparc.TwoTower, data: dict, config: TrainConfig) -> Callable[[], None]:
    """A whole step, with an optimiser of its own."""
    unlock(model, config)
    loss = ClipLoss()
    optimizer = make_optimizer(model, loss, config)
    averages = None if config.ema is None else Averages(optimizer.parameters, config.ema)
    step = Step(model, loss, optimizer, config)

    def call() -> None:
        unlock(model, config)
        step.run(1, [data], config.lr)
        if averages is not None:
            averages.update(1)

    return call


def trained_share(model: csparc.TwoTower, side: str) -> float:
    """Of the groups of a tower those that are trained."""
    groups = tower_groups(model.parameters, side)
    return sum(model.parameters[group[0]].requires_grad for group in groups) / len(groups)


def processor_seconds(call: Callable[[], object]) -> float:
    """What one call takes of all processors."""
    start = time.process_time()
    call()
    return time.process_time() - start


def held(model: csparc.TwoTower, data: dict, config: TrainConfig) -> tuple[float, float]:
    """Bytes of the activations after a forward pass, and of the state of what is trained."""
    unlock(model, config)
    before = nn.BUFFERS.in_use()
    tape = nn.Tape()
    out = model(data["image"], data["text"], data["text_mask"], tape=tape)
    activations = nn.BUFFERS.in_use() - before
    tape.reset()
    del out
    trained = sum(p.data.nbytes for p in model.parameters.values() if p.requires_grad)
    return activations, trained * (3 if config.ema is None else 4)


def run(name: str, limits: Limits) -> Measurement:
    pairs = CASES[name]
    csparc.set_num_threads(limits.threads)
    model = random_model()
    data = batch(model.config, pairs)
    steps, work, memory = {}, {}, {}
    read = float(data["text_mask"].mean())
    flop = {
        "image": towers.image_flop(model.config), "text": read * towers.text_flop(model.config),
    }  # fmt: skip
    for label, entry in ENTRIES.items():
        steps[label] = training_step(model, data, entry.config)
        done = sum(flop[side] * (1 + 2 * trained_share(model, side)) for side in SIDES)
        work[label] = done * pairs
        memory[label] = held(model, data, entry.config)
    result = interleave(steps, work, 4, limits, ready=True, timer=processor_seconds)
    whole = result.best("whole")
    result.figures = {"pairs a second, whole": pairs / whole}
    for label in ENTRIES:
        activations, state = memory[label]
        result.figures |= {
            f"{label}: % of the time": 100 * result.best(label) / whole,
            f"{label}: activations, MiB": activations / 2**20,
            f"{label}: state, MiB": state / 2**20,
        }
    return result


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting(threads=1)), __doc__.split("\n")[0])
