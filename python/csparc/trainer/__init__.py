"""Training: settings, the loop, checkpoints, logs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from csparc.trainer.config import TrainConfig

if TYPE_CHECKING:
    from csparc.checkpoint.checkpoint import load_checkpoint
    from csparc.losses.registry import make_loss
    from csparc.trainer.result import TrainResult
    from csparc.trainer.trainer import Trainer

# Imported when first used: the command line reads the settings' defaults for its help alone.
_LATER = {
    "TrainResult": "csparc.trainer.result",
    "Trainer": "csparc.trainer.trainer",
    "load_checkpoint": "csparc.checkpoint.checkpoint",
    "make_loss": "csparc.losses.registry",
}

__all__ = ["TrainConfig", "TrainResult", "Trainer", "load_checkpoint", "make_loss"]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'csparc.trainer' has no attribute {name!r}")
