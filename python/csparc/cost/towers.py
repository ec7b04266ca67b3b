"""What the towers of a configuration hold and do: trained numbers, arithmetic, activations kept.

Formulas of one pair at full length, in the terms of `csparc.cost.model.ModelInfo`.
"""

from __future__ import annotations

from csparc.models.config import ModelConfig
from csparc.models.vision import POOL_QUERIES

QUERY_LANES, QUERIES = 16, 64
"""How csparc/op/attention.c cuts a grid into blocks of queries."""


def pool_queries(config: ModelConfig) -> int:
    """Learned queries that pool an image's patches; 0 where none do."""
    if config.global_pool == "map":
        return 1
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
    c, queries = config.image.width, pool_queries(config)
    stem = 3 * config.patch_size**2 * c + c * config.patch_bias
    if config.image_stem == "conv":
        stem = sum(9 * i * o + o for _, i, o in convolutions(config)) + 2 * c * c + c
    rows = (config.positions if config.image_positions != "none" else 0) + config.registers
    path = has_image_path(config)
    local = config.local_layer is not None
    parts = {
        "image embedding": stem + (rows + (config.global_pool == "class")) * c,
        "image blocks": _block_parameters(config, "image", config.image_layers)
        + 2 * c * (path + config.pre_norm),
        "image pooling": queries * c + 3 * (c * c + c) + queries * c * c + c if queries else 0,
        "image head": c * (c + 1) * config.has_head,
        "image adapter": _adapter(config, c) * (path and config.global_pool != "map"),
        "image local part": (2 * c + _adapter(config, c)) * local,
    }
    if config.global_pool == "map":
        parts["image pooling"] += 2 * c + 2 * c * config.hidden(config.image) + c
        parts["image pooling"] += config.hidden(config.image)
    return {name: n for name, n in parts.items() if n or name == "image head"}


def _adapter(config: ModelConfig, width: int) -> int:
    """Numbers of a map into the shared space."""
    return config.shared_width * (width + config.projection_bias)


def text_parameters(config: ModelConfig) -> dict[str, int]:
    """By part; parts there are none of are left out."""
    c, path = config.text.width, has_text_path(config)
    parts = {
        "text embedding": c * (config.vocab_size + config.context_length * path),
        "text blocks": _block_parameters(config, "text", config.text_layers) + 2 * c * path,
        "text adapter": _adapter(config, c) * path,
        "text local part": (2 * c + _adapter(config, c)) * (config.local_tokens == "words"),
    }
    return {name: n for name, n in parts.items() if n}


def _block_parameters(config: ModelConfig, side: str, layers: int) -> int:
    """Four norm vectors; qkv, output and two MLP matrices with their biases."""
    tower = getattr(config, side)
    c, hidden = tower.width, config.hidden(tower)
    block = 4 * c + (3 * c * c + 3 * c) + (c * c + c) + (hidden * c + hidden)
    return layers * (block + hidden * c + c)


def image_flop(config: ModelConfig) -> int:
    """Forward pass of an image. Projecting the learned queries, once a batch, is not counted."""
    c, patches, shared = config.image.width, config.patches, config.shared_width
    flop = 2 * patches * 3 * config.patch_size**2 * c
    if config.image_stem == "conv":
        flop = sum(18 * places * i * o for places, i, o in convolutions(config))
        flop += 4 * patches * c * c
    rows = config.positions + config.registers
    flop += _block_flop(config, "image", config.image_layers, rows, _image_scores(config))
    shared_rows = patches if config.global_pool != "map" or config.local_layer is not None else 0
    if config.global_pool == "class":
        shared_rows += 1
    flop += 2 * shared_rows * c * shared
    queries = pool_queries(config)
    if queries:
        flop += 4 * patches * c * c + 4 * queries * patches * c + 2 * queries * c * c
    if config.global_pool == "map":
        flop += 4 * c * config.hidden(config.image)
    return flop + (2 * c * c + 2 * c * shared if config.has_head else 0)


def text_flop(config: ModelConfig) -> int:
    """Forward pass of a caption."""
    c, length = config.text.width, config.context_length
    flop = _block_flop(config, "text", config.text_layers, length, length**2)
    pooled = config.global_pool != "listing"
    return flop + 2 * (length + pooled) * c * config.shared_width


def _block_flop(config: ModelConfig, side: str, layers: int, length: int, scores: int) -> int:
    """Per row: four squares and the MLP's two maps; per score: a product of its query and its key,
    and its share of a mixed value."""
    tower = getattr(config, side)
    c = tower.width
    maps = 4 * c + 2 * config.hidden(tower)
    return layers * (length * 2 * maps * c + 4 * scores * c)


def _image_scores(config: ModelConfig) -> int:
    """Pairs of query and key that are scored in a layer and head of the image tower."""
    (high, wide), registers = config.grid, config.registers + config.positions - config.patches
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
    rows, local = config.positions + config.registers, config.local_layer is not None
    kept += config.image_layers * rows * _kept_block(config, "image")
    kept += rows * (c + 2) * config.pre_norm
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
    kept += 3 * c if config.has_head else 0
    if config.global_pool == "class":
        kept += 2 * (c + 2) + shared  # the class token's rows
    if config.global_pool == "map":
        kept += 2 * c + 2 * config.hidden(config.image)
    return kept + (patches + 1) * shared


def text_kept(config: ModelConfig) -> int:
    """Activations of a caption that a training step keeps."""
    c, length = config.text.width, config.context_length
    words, path = config.local_tokens == "words", has_text_path(config)
    kept = length * config.text_layers * _kept_block(config, "text")
    kept += (words + path) * length * (2 * c + 2)
    kept += c if config.global_pool != "listing" else 0
    return kept + (length + 1) * config.shared_width


def _kept_block(config: ModelConfig, side: str) -> int:
    """Per row of a block: two residual sums, two normed rows, qkv, the attention's output, and both
    sides of the activation; norm statistics; log-sum-exp."""
    tower = getattr(config, side)
    return (2 + 2 + 3 + 1) * tower.width + 2 * config.hidden(tower) + 4 + tower.heads
