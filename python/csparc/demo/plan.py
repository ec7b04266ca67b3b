"""The records the demo's stages hand to each other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from csparc.evaluate.explain import Explanation
from csparc.evaluate.features import Features


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
    model: str = "nano"

    def command(self) -> str:
        """The command line that repeats the run."""
        data = ["--data", self.data] if self.data else []
        words = ["csparc", "demo", *data, "--steps", str(self.steps), "--seed", str(self.seed)]
        return shlex.join(words)


@dataclass(frozen=True)
class Training:
    """How the training went: its log, its seconds, the number of parameters trained."""

    log: Sequence[dict]
    seconds: float
    parameters: int


@dataclass(frozen=True)
class Evaluation:
    """What one state of the model does on the N held-out pictures.

    ``pictures`` [N] are uint8 views as the model sees them. ``grounding`` and ``placement`` are
    about the first caption of each; ``alignments`` explains the longest of the first few;
    ``sentences`` is `sentence_placement` of every caption about one object of several.
    """

    features: Features
    retrieval: dict
    grounding: dict
    pictures: Sequence[np.ndarray]
    alignments: Sequence[tuple[str, Explanation]]
    semantic: dict | None
    placement: dict | None
    sentences: dict | None
