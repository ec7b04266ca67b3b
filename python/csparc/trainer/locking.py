"""Which parts of the towers a run trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csparc.models.groups import tower_groups

if TYPE_CHECKING:
    from csparc.models import TwoTower
    from csparc.trainer.config import TrainConfig


def lock_towers(model: TwoTower, config: TrainConfig) -> None:
    """Freeze what ``config`` locks; a tower it does not lock stays as it is.

    The tape records nothing below the lowest parameter that is trained, so that a locked tower's
    activations are free as soon as they were read, and its backward pass does not exist.

    Raises
    ------
    ValueError
        More groups are to be trained than a tower has.
    """
    _check(model, "image", "lock_image_unlocked_groups", config.lock_image_unlocked_groups)
    _check(model, "text", "lock_text_unlocked_layers", config.lock_text_unlocked_layers)
    if config.lock_image:
        model.lock_image_tower(config.lock_image_unlocked_groups)
    if config.lock_text:
        model.lock_text_tower(config.lock_text_unlocked_layers)


def _check(model: TwoTower, side: str, name: str, unlocked: int) -> None:
    groups = len(tower_groups(model.parameters, side))
    if unlocked > groups:
        raise ValueError(
            f"{name}: expected at most {groups}, the groups of the {side} tower with "
            f"{groups - 2} blocks, found {unlocked} (--unlock-{side}-blocks {unlocked - 1})"
        )
