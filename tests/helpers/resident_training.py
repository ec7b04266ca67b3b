"""Run as a program: resident memory that training adds at its peak, beside the estimate; JSON out.

``python resident_training.py LOSS BATCH_SIZE MICRO_BATCH``: of ``nano``, on scenes with captions of
full length; a micro-batch of 0 is none.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys

from resident import status

from csparc.cost.training import training_memory
from csparc.data.scenes import Scenes
from csparc.data.tokenizer import train
from csparc.models import create_model
from csparc.nn import BUFFERS
from csparc.trainer import Trainer

STEPS = 3


class LongCaptions(Scenes):
    """Scenes whose captions fill the context."""

    def captions(self, index: int) -> list[str]:
        return ["a red circle above a blue square " * 20]


def resident(loss: str, batch_size: int, micro_batch: int | None) -> list[int]:
    """Bytes at the peak beyond what the process holds before, and the estimate."""
    data = LongCaptions(tier="M", size=STEPS * batch_size)
    texts = Scenes(tier="M", size=100).all_captions()
    length = create_model("nano", seed=None).config.context_length
    tokenizer = train(texts, vocab_size=300, context_length=length)

    def trainer(pairs: int, micro: int | None, steps: int) -> Trainer:
        return Trainer(
            create_model("nano", vocab_size=tokenizer.vocab_size), loss, data, tokenizer=tokenizer,
            batch_size=pairs, micro_batch=micro, steps=steps, progress="none", threads=1,
        )  # fmt: skip

    trainer(2, None, 1).run()  # what is imported late, threads, packing buffers
    gc.collect()
    BUFFERS.clear()
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed would be taken again, and not counted
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    measured = trainer(batch_size, micro_batch, STEPS)
    measured.run()
    config = measured.model.config
    expected = training_memory(config, measured.loss, batch_size, micro_batch=micro_batch)
    return [status("VmHWM") - before, expected.total]


if __name__ == "__main__":
    name, *sizes = sys.argv[1:]
    batch_size, micro_batch = (int(text) for text in sizes)
    print(json.dumps(resident(name, batch_size, micro_batch or None)))
