"""What a model's configuration must be: every refusal names its field."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csparc.models.config import ModelConfig

ACTIVATIONS = ("gelu", "quick_gelu", "relu")
CHOICES = {
    "activation": ACTIVATIONS,
    "head_activation": (*ACTIVATIONS, "none"),
    "global_pool": ("text", "listing", "mean", "attention"),
    "image_stem": ("patch", "conv"),
    "image_positions": ("before", "after", "none"),
    "local_tokens": ("context", "words"),
}
"""Fields that are one of some texts; the first is what the presets of the paper's sizes have."""

_COUNTS = (
    "image_size",
    "patch_size",
    "context_length",
    "shared_width",
    "vocab_size",
    "mlp_ratio",
)


def check_config(config: ModelConfig) -> None:
    """Raise ValueError (TypeError for ``causal``) unless the fields are in range and agree."""
    for name in _COUNTS:
        _count(name, getattr(config, name))
    for side in ("image", "text"):
        _tower(side, getattr(config, side))
    if config.image_size % config.patch_size:
        raise ValueError(
            f"image_size: expected a multiple of patch_size = {config.patch_size}, found "
            f"{config.image_size}"
        )
    for name, choices in CHOICES.items():
        _choice(name, getattr(config, name), choices)
    if not isinstance(config.causal, bool):
        raise TypeError(f"causal: expected True or False, found {config.causal!r}")
    _scale("token_scale", config.token_scale)
    _stem(config)
    _local_layer(config)
    _attention(config)
    _pooling(config)
    _positions(config)


def _stem(config: ModelConfig) -> None:
    size = config.patch_size
    if config.image_stem == "conv" and (size < 2 or size & (size - 1)):
        raise ValueError(
            "patch_size: expected a power of 2 with image_stem='conv', whose convolutions halve "
            f"the picture, found {size}"
        )


def _local_layer(config: ModelConfig) -> None:
    layer, most = config.local_layer, config.image.layers
    if layer is None:
        return
    if not _is_whole(layer) or not 0 <= layer <= most:
        raise ValueError(
            f"local_layer: expected None or a whole number from 0 to image.layers = {most}, found "
            f"{layer!r}"
        )


def _attention(config: ModelConfig) -> None:
    window = config.attention_window
    if not _is_whole(window) or window < 0 or (window > 0 and window % 2 == 0):
        raise ValueError(
            f"attention_window: expected 0 (all patches) or an odd number, found {window!r}"
        )
    _count("registers", config.registers, least=0)
    for name in ("attention_window", "registers"):
        if getattr(config, name) and config.image_layers == 0:
            raise ValueError(
                f"{name}: expected 0 in an image tower without attention layers, found "
                f"{getattr(config, name)}"
            )


def _pooling(config: ModelConfig) -> None:
    queries = config.pool_queries
    if queries is None:
        return
    _count("pool_queries", queries)
    if config.global_pool != "attention":
        raise ValueError(
            f"pool_queries: expected None with global_pool={config.global_pool!r}, which pools "
            f"without queries, found {queries}; 'attention' has them"
        )


def _positions(config: ModelConfig) -> None:
    if config.image_positions != "after":
        return
    later = config.local_layer is not None and (
        config.local_layer < config.image_layers or config.global_pool == "attention"
    )
    if config.pools_local or not later:
        raise ValueError(
            "image_positions: 'after' adds them behind the patches the local loss reads, so "
            "local_layer must be set, and a later layer or global_pool='attention' must read them"
        )


def _tower(side: str, tower: Any) -> None:
    for name in ("width", "heads"):
        _count(f"{side}.{name}", getattr(tower, name))
    _count(f"{side}.layers", tower.layers, least=0)
    if tower.width % tower.heads:
        raise ValueError(
            f"{side}.heads: expected a divisor of {side}.width = {tower.width}, found {tower.heads}"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(name: str, value: object, least: int = 1) -> None:
    if not _is_whole(value) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, found {value!r}")


def _scale(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a positive number, found {value!r}")


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")
