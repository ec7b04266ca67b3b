"""The checks of a model's configuration: every refusal names its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from csparc._scalars import choice, flag, positive, whole_number

if TYPE_CHECKING:
    from csparc.models.config import ModelConfig, TowerConfig

ACTIVATIONS = ("gelu", "quick_gelu", "gelu_tanh", "relu")
CHOICES = {
    "activation": ACTIVATIONS,
    "head_activation": (*ACTIVATIONS, "none"),
    "global_pool": ("text", "listing", "mean", "attention", "class", "map"),
    "text_pool": ("mean", "argmax", "eos", "last"),
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
    """Raise ValueError or TypeError unless the fields are in range and agree; numbers of NumPy
    become Python's own, as JSON holds them."""
    for name in _COUNTS:
        _take(config, name, whole_number, low=1)
    for side in ("image", "text"):
        _check_tower(side, getattr(config, side))
    if config.image_size % config.patch_size:
        raise ValueError(
            f"image_size: expected a multiple of patch_size = {config.patch_size}, found "
            f"{config.image_size}"
        )
    for name, choices in CHOICES.items():
        choice(getattr(config, name), name, choices)
    for name in ("causal", "pre_norm", "patch_bias", "projection_bias", "logit_bias"):
        _take(config, name, flag)
    for name in ("token_scale", "norm_eps"):
        _take(config, name, positive)
    _stem(config)
    _local_layer(config)
    _attention(config)
    _pooling(config)
    _text_pooling(config)
    _positions(config)


def _stem(config: ModelConfig) -> None:
    size = config.patch_size
    if config.image_stem == "conv" and (size < 2 or size & (size - 1)):
        raise ValueError(
            "patch_size: expected a power of 2 with image_stem='conv', whose convolutions halve "
            f"the picture, found {size}"
        )


def _local_layer(config: ModelConfig) -> None:
    if config.local_layer is not None:
        _take(config, "local_layer", whole_number, low=0, high=config.image.layers)


def _attention(config: ModelConfig) -> None:
    for name in ("attention_window", "registers"):
        _take(config, name, whole_number, low=0)
    window = config.attention_window
    if window > 0 and window % 2 == 0:
        raise ValueError(
            f"attention_window: expected 0 (all patches) or an odd number, found {window}"
        )
    for name in ("attention_window", "registers"):
        if getattr(config, name) and config.image_layers == 0:
            raise ValueError(
                f"{name}: expected 0 in an image tower without attention layers, found "
                f"{getattr(config, name)}"
            )


def _pooling(config: ModelConfig) -> None:
    if config.pool_queries is None:
        return
    _take(config, "pool_queries", whole_number, low=1)
    if config.global_pool != "attention":
        raise ValueError(
            f"pool_queries: expected None with global_pool={config.global_pool!r}, which pools "
            f"without queries, found {config.pool_queries}; 'attention' has them"
        )


def _text_pooling(config: ModelConfig) -> None:
    if config.text_pool != "mean" and config.pools_local:
        raise ValueError(
            f"text_pool: expected 'mean' with global_pool={config.global_pool!r}, whose vectors "
            f"are means, found {config.text_pool!r}"
        )
    if (config.text_pool == "eos") != (config.eos_id is not None):
        raise ValueError(
            "eos_id: expected the end token's id with text_pool='eos' and None otherwise, found "
            f"{config.eos_id} with {config.text_pool!r}"
        )
    if config.eos_id is not None:
        _take(config, "eos_id", whole_number, low=0, high=config.vocab_size - 1)
    if config.global_pool == "map" and config.shared_width != config.image.width:
        raise ValueError(
            f"shared_width: expected image.width = {config.image.width} with global_pool='map', "
            f"which has no projection, found {config.shared_width}"
        )


def _positions(config: ModelConfig) -> None:
    if config.image_positions != "after":
        return
    later = config.local_layer is not None and (
        config.local_layer < config.image_layers or config.global_pool in ("attention", "map")
    )
    if config.pools_local or not later:
        raise ValueError(
            "image_positions: 'after' adds them behind the patches the local loss reads, so "
            "local_layer must be set, and a later layer or global_pool='attention' must read them"
        )


def _check_tower(side: str, tower: TowerConfig) -> None:
    for name, low in (("width", 1), ("layers", 0), ("heads", 1)):
        _take(tower, name, whole_number, told=f"{side}.{name}", low=low)
    if tower.hidden is not None:
        _take(tower, "hidden", whole_number, told=f"{side}.hidden", low=1)
    if tower.activation is not None:
        choice(tower.activation, f"{side}.activation", ACTIVATIONS)
    if tower.width % tower.heads:
        raise ValueError(
            f"{side}.heads: expected a divisor of {side}.width = {tower.width}, found {tower.heads}"
        )


def _take(owner: Any, name: str, check: Callable, told: str | None = None, **limits: int) -> None:
    """Check a field, which messages call ``told`` or by its name, and keep what the check gave."""
    object.__setattr__(owner, name, check(getattr(owner, name), told or name, **limits))
