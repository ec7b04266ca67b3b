"""Ready-made configurations, by name."""

from __future__ import annotations

from csparc.models.config import ModelConfig, TowerConfig
from csparc.models.published import PUBLISHED_MODELS


def _preset(size, patch, image, text, length, shared, **local) -> ModelConfig:
    return ModelConfig(
        image=TowerConfig(*image),
        text=TowerConfig(*text),
        image_size=size,
        patch_size=patch,
        context_length=length,
        shared_width=shared,
        **local,
    )


_LOCAL = {
    "global_pool": "attention",
    "image_stem": "conv",
    "image_positions": "none",
    "local_layer": 0,
    "local_tokens": "words",
    "token_scale": 1.0,
}

PRESETS: dict[str, ModelConfig] = {
    "nano-local": _preset(64, 8, (64, 0, 4), (64, 2, 4), 32, 64, **_LOCAL),
    "nano": _preset(64, 8, (64, 3, 4), (64, 2, 4), 32, 64, token_scale=1.0),
    "tiny-local": _preset(128, 16, (192, 0, 3), (192, 4, 3), 55, 192, **_LOCAL),
    "tiny": _preset(128, 16, (192, 6, 3), (192, 4, 3), 55, 192),
    "small": _preset(224, 16, (384, 12, 6), (384, 6, 6), 55, 384),
    "vit-b-32": _preset(224, 32, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-b-16": _preset(224, 16, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-l-14": _preset(224, 14, (1024, 24, 16), (768, 12, 12), 55, 768),
}
"""Ready-made configurations, smallest first. ``vit-*`` are the sizes of the paper; in ``*-local``,
which are ours, patches and words stay local, so that words can find their objects. The
``token_scale`` of ``nano`` and ``nano-local`` is the one that eight losses did better with
(docs/study/token-scale.md); in the larger presets of the paper's form it was not compared."""


def list_models(published: bool = False) -> list[str]:
    """Names ``create_model`` knows, smallest first; with ``published`` those of published CLIP and
    SigLIP models, as open_clip spells them, in its order."""
    return list(PUBLISHED_MODELS if published else PRESETS)


def preset(name: str) -> ModelConfig:
    """The configuration of that name; ValueError lists the names there are."""
    known = {**PRESETS, **PUBLISHED_MODELS}
    if name not in known:
        raise ValueError(f"model: expected one of {', '.join(known)}, found {name!r}")
    return known[name]
