"""SPARC, sparse fine-grained contrastive alignment of images and text, for NumPy."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import csparc_command

from csparc._version import __version__

if csparc_command.is_starting():
    csparc_command.short_warnings()

try:
    from csparc.config import get_num_threads, set_num_threads, show_config
except (ImportError, KeyboardInterrupt) as error:
    if not csparc_command.is_starting():
        raise
    sys.exit(csparc_command.ended(error))

if TYPE_CHECKING:
    from csparc import checkpoint as checkpoint
    from csparc import cost as cost
    from csparc import data as data
    from csparc import errors as errors
    from csparc import evaluate as evaluate
    from csparc import features as features
    from csparc import losses as losses
    from csparc import models as models
    from csparc import nn as nn
    from csparc import optim as optim
    from csparc import profile as profile
    from csparc import reference as reference
    from csparc import search as search
    from csparc import trainer as trainer
    from csparc import viz as viz
    from csparc import weights as weights
    from csparc.cost.memory import estimate_memory
    from csparc.losses import (
        ClipFilipLoss,
        ClipFilipWordsLoss,
        ClipLoss,
        ClipWordsLoss,
        FilipLoss,
        GloriaLoss,
        LossOutput,
        MgcaLoss,
        PaclLoss,
        SiglipLoss,
        SparcLoss,
        SparcWordsLoss,
        WordContrastLoss,
        clip_filip_loss,
        clip_loss,
        filip_loss,
        gloria_loss,
        group_patches,
        group_patches_backward,
        mgca_loss,
        pacl_loss,
        siglip_loss,
        sparc_loss,
        sparse_similarity,
        sparse_similarity_backward,
        word_contrast_loss,
    )
    from csparc.models import (
        ModelConfig,
        TwoTower,
        create_model,
        create_model_and_transforms,
        get_tokenizer,
        list_models,
    )
    from csparc.trainer import TrainConfig, Trainer, load_checkpoint
    from csparc.trainer.fit import fit
    from csparc.viz.explanation import explain

# Public names, and the module each is imported from when first used: ``import csparc`` stays quick.
_LATER = {
    "ClipFilipLoss": "csparc.losses",
    "ClipFilipWordsLoss": "csparc.losses",
    "ClipLoss": "csparc.losses",
    "ClipWordsLoss": "csparc.losses",
    "FilipLoss": "csparc.losses",
    "GloriaLoss": "csparc.losses",
    "LossOutput": "csparc.losses",
    "MgcaLoss": "csparc.losses",
    "ModelConfig": "csparc.models",
    "PaclLoss": "csparc.losses",
    "SiglipLoss": "csparc.losses",
    "SparcLoss": "csparc.losses",
    "SparcWordsLoss": "csparc.losses",
    "TrainConfig": "csparc.trainer",
    "Trainer": "csparc.trainer",
    "TwoTower": "csparc.models",
    "WordContrastLoss": "csparc.losses",
    "clip_filip_loss": "csparc.losses",
    "clip_loss": "csparc.losses",
    "create_model": "csparc.models",
    "create_model_and_transforms": "csparc.models",
    "estimate_memory": "csparc.cost.memory",
    "explain": "csparc.viz.explanation",
    "filip_loss": "csparc.losses",
    "fit": "csparc.trainer.fit",
    "get_tokenizer": "csparc.models",
    "gloria_loss": "csparc.losses",
    "group_patches": "csparc.losses",
    "group_patches_backward": "csparc.losses",
    "list_models": "csparc.models",
    "load_checkpoint": "csparc.trainer",
    "mgca_loss": "csparc.losses",
    "pacl_loss": "csparc.losses",
    "siglip_loss": "csparc.losses",
    "sparc_loss": "csparc.losses",
    "sparse_similarity": "csparc.losses",
    "sparse_similarity_backward": "csparc.losses",
    "word_contrast_loss": "csparc.losses",
}

# Rooms that are attributes of the package from the first use on.
_ROOMS = (
    "checkpoint", "cost", "data", "errors", "evaluate", "features", "losses", "models", "nn",
    "optim", "profile", "reference", "search", "trainer", "viz", "weights",
)  # fmt: skip
_FRAMEWORKS = ("jax", "torch")
"""Rooms that need a package of the same name, and are not listed where it may be missing."""

__all__ = [
    "ClipFilipLoss",
    "ClipFilipWordsLoss",
    "ClipLoss",
    "ClipWordsLoss",
    "FilipLoss",
    "GloriaLoss",
    "LossOutput",
    "MgcaLoss",
    "ModelConfig",
    "PaclLoss",
    "SiglipLoss",
    "SparcLoss",
    "SparcWordsLoss",
    "TrainConfig",
    "Trainer",
    "TwoTower",
    "WordContrastLoss",
    "__version__",
    "clip_filip_loss",
    "clip_loss",
    "create_model",
    "create_model_and_transforms",
    "estimate_memory",
    "explain",
    "filip_loss",
    "fit",
    "get_num_threads",
    "get_tokenizer",
    "gloria_loss",
    "group_patches",
    "group_patches_backward",
    "list_models",
    "load_checkpoint",
    "mgca_loss",
    "pacl_loss",
    "set_num_threads",
    "show_config",
    "siglip_loss",
    "sparc_loss",
    "sparse_similarity",
    "sparse_similarity_backward",
    "word_contrast_loss",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        globals()[name] = value = getattr(importlib.import_module(_LATER[name]), name)
        return value
    if name in _ROOMS or name in _FRAMEWORKS:
        return importlib.import_module(f"csparc.{name}")
    raise AttributeError(f"module 'csparc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_ROOMS})
