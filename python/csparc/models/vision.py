"""The image tower f_v, its dense layer h_v and its adapter g_v."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from csparc.models.config import ModelConfig
from csparc.models.stem import ConvStem, PatchEmbedding
from csparc.nn import (
    AttentionPool,
    LayerNorm,
    Linear,
    Module,
    Parameter,
    Sequences,
    Tape,
    Tensor,
    Transformer,
    functional,
    grids,
)

POOL_QUERIES = 4


class VisionTower(Module):
    """ViT (arXiv 2010.11929) without a class token: images [B,3,H,W] -> patches and one vector.

    As the paper has it: patches [B,P,D] = g_v(f_v(x)); global [B,D] = g_v(h_v(mean over patches of
    f_v(x))), or with global_pool="listing" or "mean" the mean of the patches.

    Ours: with ``local_layer`` the patches are local_adapter(local_norm(x)), x those after that
    layer, while the global path goes on from there; with global_pool="attention" learned queries
    pool the patches the global path ends with, in place of their mean.
    """

    def __init__(self, config: ModelConfig, dtype: np.dtype):
        width, shared = config.image.width, config.shared_width
        if config.image_stem == "conv":
            self.stem = ConvStem(config.stem_widths, dtype, config.activation)
        else:
            self.conv1 = PatchEmbedding(width, config.patch_size, dtype)
        if config.image_positions != "none":
            self.positional_embedding = Parameter((config.patches, width), dtype, spread=0.02)
        if config.registers:
            self.registers = Parameter((config.registers, width), dtype, spread=0.02)
        self.transformer = Transformer(
            width,
            config.image.heads,
            config.image_layers,
            dtype,
            mlp_ratio=config.mlp_ratio,
            activation=config.activation,
        )
        self._has_local = config.local_layer is not None
        self._has_global = not (self._has_local and config.pools_local)
        self._has_head = not config.pools_local
        if self._has_local:
            self.local_norm = LayerNorm(width, dtype)
            self.local_adapter = Linear(width, shared, dtype, width**-0.5)
        if self._has_global:
            self.ln_post = LayerNorm(width, dtype)
        if config.global_pool == "attention":
            queries = config.pool_queries or POOL_QUERIES
            self.attn_pool = AttentionPool(width, config.image.heads, queries, dtype)
        if self._has_head:
            self.head = Linear(width, width, dtype, width**-0.5)
        if self._has_global:
            self.adapter = Linear(width, shared, dtype, width**-0.5)
        self._config = config

    def __call__(self, tape: Tape, images: Tensor) -> tuple[Tensor, Tensor]:
        local, x = self._encoded(tape, images)
        patches = self.local_adapter(tape, local) if self._has_local else self.adapter(tape, x)
        if not self._has_head:
            return patches, functional.pool(tape, patches)
        return patches, self._through_head(tape, self._pooled(tape, x))

    def dense(self, tape: Tape, images: Tensor) -> Tensor:
        """Every patch on the path of the pooled image, g_v(h_v(f_v(x))) [B,P,D]: what the paper
        compares with texts for segmentation (D.7). With attention pooling, every patch as if it
        were the only one to attend to. Without h_v, the patches."""
        if not self._has_head:
            return self(tape, images)[0]
        _, x = self._encoded(tape, images)
        if self._config.global_pool == "attention":
            batch, patches, width = x.shape
            alone = functional.reshape(tape, x, (batch * patches, 1, width))
            x = functional.reshape(tape, self.attn_pool(tape, alone), (batch, patches, width))
        return self._through_head(tape, x)

    def _encoded(self, tape: Tape, images: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Normed patches: those the local loss reads and those the global path ends with; None
        where there are none of their own."""
        config, layers = self._config, self._config.image_layers
        x = self.stem(tape, images) if config.image_stem == "conv" else self.conv1(tape, images)
        if config.image_positions == "before":
            x = functional.add_position(tape, x, self.positional_embedding)
        local, start = None, 0
        sequences = Sequences.equal(*x.shape[:2])
        if config.local_layer == 0:
            local, x = self._tapped(tape, x)
        if config.registers:
            x = grids.append(tape, x, self.registers)
            sequences = Sequences.equal(*x.shape[:2])
        sequences = replace(
            sequences,
            window=config.attention_window,
            grid_width=config.grid[1],
            registers=config.registers,
        )
        if config.local_layer:
            start = config.local_layer
            x = self.transformer(tape, x, sequences, 0, start)
            local, x = self._tapped(tape, x)
        x = self.transformer(tape, x, sequences, start, layers)
        if not self._has_global:
            return local, None
        return local, self.ln_post(tape, self._patches(tape, x))

    def _tapped(self, tape: Tape, x: Tensor) -> tuple[Tensor, Tensor]:
        """The normed patches a local loss reads, and what goes on from there."""
        local = self.local_norm(tape, self._patches(tape, x))
        if self._config.image_positions == "after":
            x = functional.add_position(tape, x, self.positional_embedding)
        return local, x

    def _patches(self, tape: Tape, x: Tensor) -> Tensor:
        """Without the registers behind them."""
        patches = self._config.patches
        return x if x.shape[1] == patches else grids.leading(tape, x, patches)

    def _pooled(self, tape: Tape, x: Tensor) -> Tensor:
        if self._config.global_pool == "attention":
            return self.attn_pool(tape, x)
        return functional.pool(tape, x)

    def _through_head(self, tape: Tape, x: Tensor) -> Tensor:
        x = functional.activation(tape, self.head(tape, x), self._config.head_activation)
        return self.adapter(tape, x)
