"""A training step with all threads against the same step with one.

    python benchmarks/bench_threads.py --case tiny --threads 2

Both in turns in one process, of the same model: both towers, SPARC, the backward pass, clipping,
AdamW; float32. The batch is made before, so that the threads that load pictures work for neither;
captions have lengths as of COCO's. The ratio is what the other threads gain. FLOP: thrice the
forward pass of both towers without padding; the peak is that of all threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from caption_cases import CONTEXT, captions, useful_flop
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core
from csparc.data.tokenizer import Tokenizer, train
from csparc.losses import SparcLoss
from csparc.optim import AdamW
from csparc.trainer import TrainConfig
from csparc.trainer.step import Step, introduce

RATE = 1e-4


@dataclass(frozen=True)
class Case:
    B: int
    repeats: int = 8


CASES = {
    "nano": Case(64, 20),
    "nano-local": Case(64, 20),
    "tiny": Case(64),
    "tiny-local": Case(64),
    "small": Case(32, 5),
    "vit-b-32": Case(16, 5),
    "vit-b-16": Case(8, 5),
}
"""By preset."""


def run(preset: str, limits: Limits) -> Measurement:
    case = CASES[preset]
    tokenizer = train(captions(case.B), vocab_size=1000, context_length=CONTEXT)
    model = csparc.create_model(preset, context_length=CONTEXT, vocab_size=tokenizer.vocab_size)
    config = TrainConfig(steps=1000, batch_size=case.B)
    loss = SparcLoss()
    introduce(model, loss)
    optimizer = AdamW(model.parameters, (config.beta1, config.beta2), config.eps, config.wd)
    step = Step(model, loss, optimizer, config)
    data = batch(tokenizer, case.B, model.config.image_size)

    def with_threads(count: int) -> Callable[[], None]:
        def call() -> None:
            csparc.set_num_threads(count)
            step.run(1, [data], RATE)

        return call

    entries = {"all threads": with_threads(limits.threads), "one thread": with_threads(1)}
    flop = 3 * useful_flop(model.config, data["text_mask"].sum(axis=1))
    result = interleave(entries, dict.fromkeys(entries, flop), case.repeats, limits)
    result.figures["B"] = case.B
    result.notes["isa"] = _core.config()["isa"]
    return result


def batch(tokenizer: Tokenizer, B: int, side: int) -> dict[str, np.ndarray]:
    """Random pictures, with captions whose tokens all enter the loss."""
    rng = np.random.default_rng(0)
    ids = tokenizer(captions(B))
    valid = tokenizer.valid_mask(ids)
    images = rng.standard_normal((B, 3, side, side), dtype=np.float32)
    return {"image": images, "text": ids, "text_mask": valid, "loss_mask": valid}


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
