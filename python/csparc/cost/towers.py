"""What the towers of a configuration hold and do: trained numbers, arithmetic, activations kept.

Formulas of one pair at full length, in the terms of `csparc.cost.model.ModelInfo`.
"""

from __future__ import annotations

from csparc.models.config import ModelConfig, TowerConfig
from csparc.models.vision import POOL_QUERIES

QUERY_LANES, QUERIES = 16, 64
"""How csparc/op/attention.c cuts a grid into blocks of queries."""


def pool_queries(config: ModelConfig) -> int:
    """Learned queries that pool an image's patches; 0 where none do."""
    return (config.pool_queries or POOL_QUERIES) if config.global_pool == "attention" else 0


def convolutions(config: ModelConfig) -> list[tuple[int, int, int]]:
    """Of a "conv" stem: outputs (places on the grid), channels read, channels written, of each."""
    if config.image_stem != "conv":
        return []
    found, side, inputs = [], config.image_size, 3
    for width in config.stem_widths:
        side //= 2
        found.append((side * side, inputs, width))
        inputs = width
    return [*found, (config.patches, inputs, 2 * inputs)]


def has_image_path(config: ModelConfig) -> bool:
    """Whether the image's vector has a norm and an adapter besides those of the local patches."""
    return config.local_layer is None or not config.pools_local


def has_text_path(config: ModelConfig) -> bool:
    """The same of the caption's vector."""
    return config.local_tokens == "context" or not config.pools_local


def image_parameters(config: ModelConfig) -> dict[str, int]:
    """By part; parts there are none of are left out, but for the head."""
    c, shared, queries = config.image.width, config.shared_width, pool_queries(config)
    stem = 3 * config.patch_size**2 * c
    if config.image_stem == "conv":
        stem = sum(9 * i * o + o for _, i, o in convolutions(config)) + 2 * c * c + c
    positions = config.patches if config.image_positions != "none" else 0
    path = has_image_path(config)
    local = config.local_layer is not None
    parts = {
        "image embedding": stem + (positions + config.registers) * c,
        "image blocks": _block_parameters(config.image, config.image_layers, config.mlp_ratio)
        + 2 * c * path,
        "image pooling": queries * c + 3 * (c * c + c) + queries * c * c + c if queries else 0,
        "image head": 0 if config.pools_local else c * (c + 1),
        "image adapter": shared * (c + 1) * path,
        "image local part": (2 * c + shared * (c + 1)) * local,
    }
    return {name: n for name, n in parts.items() if n or name == "image head"}


def text_parameters(config: ModelConfig) -> dict[str, int]:
    """By part; parts there are none of are left out."""
    c, shared, path = config.text.width, config.shared_width, has_text_path(config)
    parts = {
        "text embedding": c * (config.vocab_size + config.context_length * path),
        "text blocks": _block_parameters(config.text, config.text_layers, config.mlp_ratio)
        + 2 * c * path,
        "text adapter": shared * (c + 1) * path,
        "text local part": (2 * c + shared * (c + 1)) * (config.local_tokens == "words"),
    }
    return {name: n for name, n in parts.items() if n}


def _block_parameters(tower: TowerConfig, layers: int, ratio: int) -> int:
    """Four norm vectors; qkv, output and two MLP matrices with their biases."""
    c = tower.width
    block = 4 * c + (3 * c * c + 3 * c) + (c * c + c) + (ratio * c * c + ratio * c)
    return layers * (block + ratio * c * c + c)


def image_flop(config: ModelConfig) -> int:
    """Forward pass of an image. Projecting the learned queries, once a batch, is not counted."""
    c, patches, shared = config.image.width, config.patches, config.shared_width
    flop = 2 * patches * 3 * config.patch_size**2 * c
    if config.image_stem == "conv":
        flop = sum(18 * places * i * o for places, i, o in convolutions(config))
        flop += 4 * patches * c * c
    rows, layers = patches + config.registers, config.image_layers
    flop += _block_flop(config.image, layers, rows, _image_scores(config), config.mlp_ratio)
    flop += 2 * patches * c * shared
    queries = pool_queries(config)
    if queries:
        flop += 4 * patches * c * c + 4 * queries * patches * c + 2 * queries * c * c
    return flop + (0 if config.pools_local else 2 * c * c + 2 * c * shared)


def text_flop(config: ModelConfig) -> int:
    """Forward pass of a caption."""
    c, length = config.text.width, config.context_length
    layers = config.text_layers
    flop = _block_flop(config.text, layers, length, length**2, config.mlp_ratio)
    pooled = config.global_pool != "listing"
    return flop + 2 * (length + pooled) * c * config.shared_width


def _block_flop(tower: TowerConfig, layers: int, length: int, scores: int, ratio: int) -> int:
    """Per row: matrices of 4 + 2 ratio squares; per score: a product of its query and its key, and
    its share of a mixed value."""
    c = tower.width
    return layers * (length * 2 * (4 + 2 * ratio) * c * c + 4 * scores * c)


def _image_scores(config: ModelConfig) -> int:
    """Pairs of query and key that are scored in a layer and head of the image tower."""
    (high, wide), registers = config.grid, config.registers
    if config.attention_window == 0:
        return (high * wide + registers) ** 2
    tall = max(1, QUERY_LANES // wide) if wide <= QUERIES else 1
    away, scores = config.attention_window // 2, registers * (high * wide + registers)
    for top in range(0, high, tall):
        bottom = min(top + tall, high)
        seen = min(bottom + away, high) - max(top - away, 0)
        scores += (bottom - top) * wide * (seen * wide + registers)
    return scores


def image_kept(config: ModelConfig) -> int:
    """Activations of an image that a training step keeps."""
    c, patches, shared = config.image.width, config.patches, config.shared_width
    kept = patches * 3 * config.patch_size**2
    if config.image_stem == "conv":
        kept = sum(2 * places * width for places, _, width in convolutions(config))
    rows, local = patches + config.registers, config.local_layer is not None
    kept += config.image_layers * rows * _kept_block(config.image, config.mlp_ratio)
    norms = has_image_path(config) + local
    kept += norms * patches * (c + 2) + patches * c  # rows after the norms, and those before one
    if local and has_image_path(config):
        # Where the local norm reads rows that nothing else keeps.
        later = config.local_layer < config.image_layers or config.image_positions == "after"
        own = config.registers > 0 or config.image_positions == "after"
        kept += patches * c if own and later else 0
    queries = pool_queries(config)
    if queries:
        kept += 2 * patches * c + queries * (c + config.image.heads)
    kept += 0 if config.pools_local else 3 * c
    return kept + (patches + 1) * shared


def text_kept(config: ModelConfig) -> int:
    """Activations of a caption that a training step keeps."""
    c, length = config.text.width, config.context_length
    words, path = config.local_tokens == "words", has_text_path(config)
    kept = length * config.text_layers * _kept_block(config.text, config.mlp_ratio)
    kept += (words + path) * length * (2 * c + 2)
    kept += c if config.global_pool != "listing" else 0
    return kept + (length + 1) * config.shared_width


def _kept_block(tower: TowerConfig, ratio: int) -> int:
    """Per row of a block: two residual sums, two normed rows, qkv, the attention's output, and both
    sides of the activation; norm statistics; log-sum-exp."""
    return (2 + 2 + 3 + 1 + 2 * ratio) * tower.width + 4 + tower.heads
