"""A training run that takes a second: also a script, so that it can be killed.

``python small_training.py OUT [NAME=JSON ...]`` trains in OUT with these settings; ``slow=true``
delays every picture.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from csparc.data.scenes import Scenes
from csparc.data.tokenizer import Tokenizer, train
from csparc.losses import as_loss
from csparc.models import TwoTower, create_model
from csparc.trainer import Trainer
from csparc.trainer.initial import read_initial
from csparc.trainer.step import Step

TOWER = {"width": 16, "layers": 1, "heads": 2}
SETTINGS = {"batch_size": 8, "steps": 12, "lr": 3e-3, "save_frequency": 2, "val_frequency": 5,
            "threads": 1, "progress": "none"}  # fmt: skip


class SlowScenes(Scenes):
    """The same scenes, slow enough that a signal sent in the first steps arrives in the run."""

    def load(self, index: int) -> np.ndarray:
        time.sleep(0.01)
        return super().load(index)


class Mistaken(Scenes):
    """Scenes; all but every third have captions of other scenes as hard negatives."""

    has_hard_negatives = True

    def hard_negatives(self, index: int) -> list[str]:
        others = [] if index % 3 == 0 else [(index + 7) % len(self), (index + 11) % len(self)]
        return [self.captions(other)[0] for other in others]


def mistaken() -> Mistaken:
    return Mistaken(tier="S", size=40, split="train")


def scenes(size: int = 40, split: str = "train") -> Scenes:
    return Scenes(tier="S", size=size, split=split)


@functools.cache
def tokenizer() -> Tokenizer:
    return train(scenes().all_captions(), vocab_size=300, context_length=32)


def model(**overrides: Any) -> TwoTower:
    options = {"image_size": 32, "shared_width": 16, "context_length": 32, **overrides}
    return create_model(
        "nano", vocab_size=tokenizer().vocab_size, image=TOWER, text=TOWER, **options
    )


def trainer(out: Path | str | None = None, loss: Any = "sparc", **settings: Any) -> Trainer:
    given = {"val_data": scenes(8, "val"), **SETTINGS, **settings}
    data = given.pop("data", None) or scenes()
    given.setdefault("tokenizer", tokenizer())
    loss = as_loss(loss)
    init = given.pop("init", None)
    began = model(**loss.suited_model()) if init is None else read_initial(init).model
    return Trainer(began, loss, data, out=out, **given)


def read_log(out: Path, name: str = "log.jsonl") -> list[dict]:
    """The records of a log without the clock's part."""
    records = [json.loads(line) for line in (out / name).read_text().splitlines()]
    clock = ("pairs_per_second", "data_wait")
    return [{k: v for k, v in r.items() if k not in clock} for r in records]


def weights(trainer) -> dict[str, np.ndarray]:
    """A copy of a trainer's weights."""
    return {name: array.copy() for name, array in trainer.model.state_dict().items()}


@contextlib.contextmanager
def failing_at(number: int, error: type[BaseException] = MemoryError) -> Iterator[None]:
    """While this context is open, step ``number`` of every run raises ``error``."""
    run = Step.run

    def fail(step: Step, at: int, *rest: Any) -> dict[str, float]:
        if at == number:
            raise error
        return run(step, at, *rest)

    with mock.patch.object(Step, "run", fail):
        yield


if __name__ == "__main__":
    pairs = (setting.split("=", 1) for setting in sys.argv[2:])
    settings = {key: json.loads(value) for key, value in pairs}
    if settings.pop("slow", False):
        settings["data"] = SlowScenes(tier="S", size=40, split="train")
    trainer(sys.argv[1], **settings).run()
