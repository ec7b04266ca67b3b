"""What the demo trains: SPARC as the paper states it, and the grounded setting, which is ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

from csparc.losses.registry import DEFAULT
from csparc.trainer import grounded


@dataclass(frozen=True)
class Setting:
    """A model, a loss and how long they train: ``steps``, or ``quick_steps``, of 64 pairs.

    ``name`` is what people call it, ``whose`` who stands behind it, ``about`` a sentence on it.
    """

    name: str
    whose: str
    about: str
    model: str
    loss: str
    lr: float
    steps: int
    quick_steps: int
    loss_options: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Where its run is kept."""
        return self.name.lower()


PAPER = Setting(
    name="SPARC",
    whose="the paper’s",
    about="The paper’s objective on the paper’s kind of towers: every patch and every word has "
    "read all of its picture and sentence.",
    model="nano",
    loss=DEFAULT,
    lr=1e-3,
    steps=2200,
    quick_steps=300,
)
GROUNDED = Setting(
    name="Grounded",
    whose="ours, not the paper’s",
    about="CLIP and a contrast of every word with pictures that lack it, on towers whose patches "
    "and words have read only what is near them.",
    model=grounded.MODEL,
    loss=grounded.LOSS.name,
    lr=grounded.LEARNING_RATE,
    steps=2200,
    quick_steps=300,
    loss_options=tuple(f"{name}={value}" for name, value in grounded.LOSS_OPTIONS.items()),
)
"""Both train on as many pairs, SPARC for longer: 0.09 s a step and 0.075 s on one core of Zen 4."""
BOTH = (PAPER, GROUNDED)


def setting_of(loss: str, options: tuple[str, ...] = ()) -> Setting:
    """The setting for one loss alone, which has the time of both: SPARC's and the grounded one's as
    they are, another loss on SPARC's towers."""
    own = next((one for one in BOTH if one.loss == loss), replace(PAPER, loss=loss))
    return replace(
        own,
        loss_options=options or own.loss_options,
        steps=2 * own.steps,
        quick_steps=2 * own.quick_steps,
    )
