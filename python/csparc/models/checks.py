"""The checks of a model's configuration: every refusal names its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csparc._scalars import choice, flag, positive, whole_number

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
    """Raise ValueError, or TypeError for a value of another type, unless the fields agree."""
    for name in _COUNTS:
        _count(config, name)
    for side in ("image", "text"):
        _tower(side, getattr(config, side))
    if config.image_size % config.patch_size:
        raise ValueError(
            f"image_size: expected a multiple of patch_size = {config.patch_size}, found "
            f"{config.image_size}"
        )
    for name, choices in CHOICES.items():
        choice(getattr(config, name), name, choices)
    object.__setattr__(config, "causal", flag(config.causal, "causal"))
    object.__setattr__(config, "token_scale", positive(config.token_scale, "token_scale"))
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
    if config.local_layer is None:
        return
    _count(config, "local_layer", low=0)
    if config.local_layer > config.image.layers:
        raise ValueError(
            "local_layer: expected None or a whole number from 0 to image.layers = "
            f"{config.image.layers}, found {config.local_layer}"
        )


def _attention(config: ModelConfig) -> None:
    window = config.attention_window
    if whole_number(window, "attention_window") < 0 or (window > 0 and window % 2 == 0):
        raise ValueError(
            f"attention_window: expected 0 (all patches) or an odd number, found {window}"
        )
    _count(config, "attention_window", low=0)
    _count(config, "registers", low=0)
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
    _count(config, "pool_queries")
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
        _count(tower, name, f"{side}.{name}")
    _count(tower, "layers", f"{side}.layers", low=0)
    if tower.width % tower.heads:
        raise ValueError(
            f"{side}.heads: expected a divisor of {side}.width = {tower.width}, found {tower.heads}"
        )


def _count(owner: object, name: str, told: str = "", *, low: int = 1) -> None:
    """Check a field that counts something; one of NumPy becomes an int, as JSON holds them."""
    value = whole_number(getattr(owner, name), told or name, low=low)
    object.__setattr__(owner, name, value)
