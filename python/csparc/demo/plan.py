"""The records that the stages of the demo pass to each other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from csparc.evaluate.encode import Features
from csparc.evaluate.explain import Explanation
from csparc.losses.registry import DEFAULT, loss_class


@dataclass(frozen=True)
class DemoPlan:
    """What to run: ``data`` None is generated scenes; ``minutes``, if given, replaces ``steps``."""

    data: str | None
    out: Path
    steps: int
    minutes: float | None
    batch_size: int
    lr: float
    seed: int
    threads: int
    max_pixels: int | None = None
    """Of a person's own pictures larger ones are left out; None is the default limit."""
    model: str = "nano"
    loss: str = DEFAULT
    loss_options: tuple[str, ...] = ()
    """The loss by its name in `csparc.losses.registry`, and its options as ``KEY=VALUE``."""
    folder: str = "run"
    """Of the run, in ``out``."""

    def command(self) -> str:
        """The command line that repeats the run."""
        loss = ["--loss", self.loss]
        for option in self.loss_options:
            loss += ["--loss-opt", option]
        return command_line(self, loss, [self.steps])

    def objective(self) -> str:
        """The loss as people call it, with the options given: ``FILIP (keep=0.5)``; empty for
        the default one as it is."""
        label = loss_class(self.loss).label
        if self.loss_options:
            return f"{label} ({', '.join(self.loss_options)})"
        return "" if self.loss == DEFAULT else label


def command_line(plan: DemoPlan, loss: Sequence[str], steps: Sequence[int]) -> str:
    """``csparc demo`` with the data and the seed of ``plan``."""
    data = ["--data", plan.data] if plan.data else []
    if plan.max_pixels is not None:
        data += ["--max-pixels", str(plan.max_pixels)]
    length = ["--steps", *map(str, steps), "--seed", str(plan.seed)]
    return shlex.join(["csparc", "demo", *data, *loss, *length])


@dataclass(frozen=True)
class Training:
    """How the training went: its log, its seconds by the clock and of the processor (of all
    threads together), the number of parameters trained."""

    log: Sequence[dict]
    seconds: float
    processor_seconds: float
    parameters: int


@dataclass(frozen=True)
class Evaluation:
    """What one state of the model does on the N held-out pictures.

    ``pictures`` [N] are uint8 views as the model sees them, ``retrieval`` is of
    `evaluate_retrieval`, ``grounding`` of `csparc.evaluate.diagnose` for all captions,
    ``semantic`` of `semantic_recall` where the pictures are scenes. ``alignments`` explains the
    longest caption of the first few; ``words_alike`` of the first captions, None where weights are
    of whole captions.
    """

    features: Features
    pictures: Sequence[np.ndarray]
    retrieval: dict
    grounding: dict
    semantic: dict | None
    alignments: Sequence[tuple[str, Explanation]] = ()
    words_alike: float | None = None
