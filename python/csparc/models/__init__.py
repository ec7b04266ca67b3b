"""Image and text encoders with their adapters, after the paper's section 2."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from csparc.models.config import ModelConfig
from csparc.models.factory import create_model, create_model_and_transforms, get_tokenizer
from csparc.models.output import ModelOutput
from csparc.models.presets import PRESETS, list_models
from csparc.models.two_tower import TwoTower

if TYPE_CHECKING:
    from csparc.cost.model import ModelInfo, model_info

__all__ = [
    "PRESETS",
    "ModelConfig",
    "ModelInfo",
    "ModelOutput",
    "TwoTower",
    "create_model",
    "create_model_and_transforms",
    "get_tokenizer",
    "list_models",
    "model_info",
]


def __getattr__(name: str) -> Any:
    # Costs are counted from above the models: imported when asked for.
    if name in ("ModelInfo", "model_info"):
        return getattr(importlib.import_module("csparc.cost.model"), name)
    raise AttributeError(f"module 'csparc.models' has no attribute {name!r}")
