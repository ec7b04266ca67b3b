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
    MapHead,
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

    CLIP's, "class": a learned row behind the patches (attention knows no order; published positions
    have it in front) goes through all layers; global = g_v(ln_post(its row)). SigLIP's, "map":
    patches = ln_post(f_v(x)) themselves, global = the pooling head on them. Neither has h_v.
    """

    def __init__(self, config: ModelConfig, dtype: np.dtype):
        width, shared = config.image.width, config.shared_width
        if config.image_stem == "conv":
            self.stem = ConvStem(config.stem_widths, dtype, config.activation)
        else:
            self.conv1 = PatchEmbedding(width, config.patch_size, dtype, config.patch_bias)
        if config.global_pool == "class":
            self.class_embedding = Parameter((1, width), dtype, spread=width**-0.5)
        if config.image_positions != "none":
            self.positional_embedding = Parameter((config.positions, width), dtype, spread=0.02)
        if config.registers:
            self.registers = Parameter((config.registers, width), dtype, spread=0.02)
        if config.pre_norm:
            self.ln_pre = LayerNorm(width, dtype, config.norm_eps)
        hidden, activation = config.hidden(config.image), config.image.activation
        activation = activation or config.activation
        self.transformer = Transformer(
            width,
            config.image.heads,
            config.image_layers,
            dtype,
            hidden=hidden,
            activation=activation,
            eps=config.norm_eps,
        )
        self._has_local = config.local_layer is not None
        self._has_global = not (self._has_local and config.pools_local)
        bias = config.projection_bias
        if self._has_local:
            self.local_norm = LayerNorm(width, dtype, config.norm_eps)
            self.local_adapter = Linear(width, shared, dtype, width**-0.5, bias)
        if self._has_global:
            self.ln_post = LayerNorm(width, dtype, config.norm_eps)
        if config.global_pool == "map":
            self.attn_pool = MapHead(
                width, config.image.heads, hidden, dtype, activation, config.norm_eps
            )
        if config.global_pool == "attention":
            queries = config.pool_queries or POOL_QUERIES
            self.attn_pool = AttentionPool(width, config.image.heads, queries, dtype)
        if config.has_head:
            self.head = Linear(width, width, dtype, width**-0.5)
        if self._has_global and config.global_pool != "map":
            self.adapter = Linear(width, shared, dtype, width**-0.5, bias)
        self._config = config

    def __call__(self, tape: Tape, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(tape, *self.features(tape, images))

    def features(self, tape: Tape, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """What `heads` reads: the rows [B,R,C] that patches are made of, and what the global path
        ends with where it is not made of these rows, normed, [B,C] or, for a pooling that is
        trained, [B,P,C]. R is P, with the class token's row behind it where the rows serve both,
        which are then normed; those of a local path have their norm above them."""
        local, x = self._encoded(tape, images)
        if not self._has_local:
            return x, None
        if not self._has_global:
            return local, None
        if self._config.global_pool == "text":
            return local, functional.pool(tape, x)
        return local, self._class_row(tape, x) if self._config.global_pool == "class" else x

    def heads(self, tape: Tape, rows: Tensor, whole: Tensor | None) -> tuple[Tensor, Tensor]:
        """Patches [B,P,D] and vectors [B,D] of what `features` gives: all that is above f_v."""
        kind = self._config.global_pool
        if self._has_local:
            patches = self.local_adapter(tape, self.local_norm(tape, rows))
        else:
            shared = rows if kind == "map" else self.adapter(tape, rows)
            patches = self._patches(tape, shared)
        if self._config.pools_local:
            return patches, functional.pool(tape, patches)
        if kind == "class" and whole is None:
            return patches, self._class_row(tape, shared)
        if kind == "class":
            return patches, self.adapter(tape, whole)
        if kind == "map":
            return patches, self.attn_pool(tape, rows if whole is None else whole)
        if kind == "attention":
            whole = self.attn_pool(tape, rows if whole is None else whole)
        elif whole is None:
            whole = functional.pool(tape, rows)
        return patches, self._through_head(tape, whole)

    def dense(self, tape: Tape, images: Tensor) -> Tensor:
        """Every patch on the path of the pooled image, g_v(h_v(f_v(x))) [B,P,D]: what the paper
        compares with texts for segmentation (D.7). With attention pooling, every patch as if it
        were the only one to attend to, "map" too. Without any of these, the patches."""
        config = self._config
        if config.pools_local:
            return self(tape, images)[0]
        _, x = self._encoded(tape, images)
        if config.global_pool == "class":
            return self.adapter(tape, self._patches(tape, x))
        if config.global_pool != "text":
            batch, patches, width = x.shape
            alone = functional.reshape(tape, x, (batch * patches, 1, width))
            x = functional.reshape(tape, self.attn_pool(tape, alone), (batch, patches, width))
        return x if config.global_pool == "map" else self._through_head(tape, x)

    def _encoded(self, tape: Tape, images: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The patches the local loss reads, and normed what the global path ends with, patches and
        the class token; None where there are none of their own."""
        config, layers = self._config, self._config.image_layers
        x = self.stem(tape, images) if config.image_stem == "conv" else self.conv1(tape, images)
        if config.global_pool == "class":
            x = grids.append(tape, x, self.class_embedding)
        if config.image_positions == "before":
            x = functional.add_position(tape, x, self.positional_embedding)
        local, start = None, 0
        sequences = Sequences.equal(*x.shape[:2])
        if config.local_layer == 0:
            local, x = self._tapped(tape, x)
        if config.registers:
            x = grids.append(tape, x, self.registers)
            sequences = Sequences.equal(*x.shape[:2])
        if config.pre_norm:
            x = self.ln_pre(tape, x)
        sequences = replace(
            sequences,
            window=config.attention_window,
            grid_width=config.grid[1],
            registers=x.shape[1] - config.patches,
        )
        if config.local_layer:
            start = config.local_layer
            x = self.transformer(tape, x, sequences, 0, start)
            local, x = self._tapped(tape, x)
        x = self.transformer(tape, x, sequences, start, layers)
        if not self._has_global:
            return local, None
        return local, self.ln_post(tape, self._leading(tape, x, config.positions))

    def _tapped(self, tape: Tape, x: Tensor) -> tuple[Tensor, Tensor]:
        """The patches a local loss reads, and what goes on from there."""
        local = self._patches(tape, x)
        if self._config.image_positions == "after":
            x = functional.add_position(tape, x, self.positional_embedding)
        return local, x

    def _patches(self, tape: Tape, x: Tensor) -> Tensor:
        """Without the class token and the registers behind them."""
        return self._leading(tape, x, self._config.patches)

    @staticmethod
    def _leading(tape: Tape, x: Tensor, rows: int) -> Tensor:
        return x if x.shape[1] == rows else grids.leading(tape, x, rows)

    @staticmethod
    def _class_row(tape: Tape, x: Tensor) -> Tensor:
        """The row behind the patches, which is the class token's."""
        return functional.select(tape, x, np.full(x.shape[0], x.shape[1] - 1, np.int32))

    def _through_head(self, tape: Tape, x: Tensor) -> Tensor:
        x = functional.activation(tape, self.head(tape, x), self._config.head_activation)
        return self.adapter(tape, x)
