"""Image and text encoders with their adapters, after the paper's section 2."""

from csparc.models.config import PRESETS, ModelConfig, list_models
from csparc.models.factory import create_model, create_model_and_transforms, get_tokenizer
from csparc.models.info import ModelInfo, model_info
from csparc.models.two_tower import ModelOutput, TwoTower

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
