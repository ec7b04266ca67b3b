"""The image tower f_v, its dense layer h_v and its adapter g_v."""

from __future__ import annotations

import numpy as np

from csparc.models.config import ModelConfig
from csparc.nn import (
    LayerNorm,
    Linear,
    Module,
    Parameter,
    Sequences,
    Tape,
    Tensor,
    Transformer,
    functional,
)


class PatchEmbedding(Module):
    """A convolution of kernel and stride p without bias, as a product of patch rows."""

    def __init__(self, width: int, patch: int, dtype: np.dtype):
        self.weight = Parameter((width, 3, patch, patch), dtype, spread=0.02, decay=True)
        self._patch = patch

    def __call__(self, tape: Tape, images: Tensor) -> Tensor:
        patches = functional.patchify(tape, images, self._patch)
        return functional.linear(tape, patches, self.weight)


class VisionTower(Module):
    """ViT (arXiv 2010.11929) without a class token: images [B,3,H,W] -> patches and one vector.

    patches [B,P,D] = g_v(f_v(x)); global [B,D] = g_v(h_v(mean over patches of f_v(x))), or with
    global_pool="listing" or "mean" the mean of the adapted patches.
    """

    def __init__(self, config: ModelConfig, dtype: np.dtype):
        tower = config.image
        self.conv1 = PatchEmbedding(tower.width, config.patch_size, dtype)
        self.positional_embedding = Parameter((config.patches, tower.width), dtype, spread=0.02)
        self.transformer = Transformer(
            tower.width,
            tower.heads,
            tower.layers,
            dtype,
            mlp_ratio=config.mlp_ratio,
            activation=config.activation,
        )
        self.ln_post = LayerNorm(tower.width, dtype)
        self._has_head = config.global_pool == "text"
        if self._has_head:
            self.head = Linear(tower.width, tower.width, dtype, tower.width**-0.5)
        self.adapter = Linear(tower.width, config.shared_width, dtype, tower.width**-0.5)
        self._head_activation = config.head_activation

    def __call__(self, tape: Tape, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self._encoded(tape, images)
        patches = self.adapter(tape, x)
        if self._has_head:
            return patches, self._through_head(tape, functional.pool(tape, x))
        return patches, functional.pool(tape, patches)

    def dense(self, tape: Tape, images: Tensor) -> Tensor:
        """Every patch on the path of the pooled image, g_v(h_v(f_v(x))) [B,P,D]: what the paper
        compares with texts for segmentation (D.7). Without h_v, the patches."""
        x = self._encoded(tape, images)
        return self._through_head(tape, x) if self._has_head else self.adapter(tape, x)

    def _encoded(self, tape: Tape, images: Tensor) -> Tensor:
        x = self.conv1(tape, images)
        x = functional.add_position(tape, x, self.positional_embedding)
        sequences = Sequences.equal(*x.shape[:2])
        return self.ln_post(tape, self.transformer(tape, x, sequences))

    def _through_head(self, tape: Tape, x: Tensor) -> Tensor:
        x = functional.activation(tape, self.head(tape, x), self._head_activation)
        return self.adapter(tape, x)
