"""Which parts of the towers a run trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csparc.models import TwoTower
    from csparc.trainer.config import TrainConfig


def lock_towers(model: TwoTower, config: TrainConfig) -> None:
    """Freeze what ``config`` locks; a tower it does not lock stays as it is.

    The tape records nothing below the lowest parameter that is trained, so that a locked tower's
    activations are free as soon as they were read, and its backward pass does not exist.
    """
    if config.lock_image:
        model.lock_image_tower(config.lock_image_unlocked_groups)
    if config.lock_text:
        model.lock_text_tower(config.lock_text_unlocked_layers)
