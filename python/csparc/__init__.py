"""SPARC, sparse fine-grained contrastive alignment of images and text, for NumPy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from csparc._version import __version__
from csparc.config import get_num_threads, set_num_threads, show_config

if TYPE_CHECKING:
    from csparc.cost.memory import estimate_memory
    from csparc.losses import (
        ClipFilipLoss,
        ClipLoss,
        FilipLoss,
        GloriaLoss,
        LossOutput,
        MgcaLoss,
        PaclLoss,
        SiglipLoss,
        SparcLoss,
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

# Public names, and the module each is imported from when first used: ``import csparc`` stays quick.
_LATER = {
    "ClipFilipLoss": "csparc.losses",
    "ClipLoss": "csparc.losses",
    "FilipLoss": "csparc.losses",
    "GloriaLoss": "csparc.losses",
    "LossOutput": "csparc.losses",
    "MgcaLoss": "csparc.losses",
    "ModelConfig": "csparc.models",
    "PaclLoss": "csparc.losses",
    "SiglipLoss": "csparc.losses",
    "SparcLoss": "csparc.losses",
    "TrainConfig": "csparc.trainer",
    "Trainer": "csparc.trainer",
    "TwoTower": "csparc.models",
    "clip_filip_loss": "csparc.losses",
    "clip_loss": "csparc.losses",
    "create_model": "csparc.models",
    "create_model_and_transforms": "csparc.models",
    "estimate_memory": "csparc.cost.memory",
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
}

__all__ = [
    "ClipFilipLoss",
    "ClipLoss",
    "FilipLoss",
    "GloriaLoss",
    "LossOutput",
    "MgcaLoss",
    "ModelConfig",
    "PaclLoss",
    "SiglipLoss",
    "SparcLoss",
    "TrainConfig",
    "Trainer",
    "TwoTower",
    "__version__",
    "clip_filip_loss",
    "clip_loss",
    "create_model",
    "create_model_and_transforms",
    "estimate_memory",
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
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        globals()[name] = value = getattr(importlib.import_module(_LATER[name]), name)
        return value
    if name in ("data", "jax", "losses", "models", "nn", "reference", "torch", "trainer"):
        return importlib.import_module(f"csparc.{name}")
    raise AttributeError(f"module 'csparc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
