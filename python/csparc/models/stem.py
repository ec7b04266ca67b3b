"""How pixels become patches: f_v's first layer."""

from __future__ import annotations

import numpy as np

from csparc.nn import Conv, Linear, Module, Parameter, Tape, Tensor, functional


class PatchEmbedding(Module):
    """A convolution of kernel and stride p, as a product of patch rows; without bias by default."""

    def __init__(self, width: int, patch: int, dtype: np.dtype, bias: bool = False):
        self.weight = Parameter((width, 3, patch, patch), dtype, spread=0.02, decay=True)
        self.bias = Parameter((width,), dtype) if bias else None
        self._patch = patch

    def __call__(self, tape: Tape, images: Tensor) -> Tensor:
        patches = functional.patchify(tape, images, self._patch)
        return functional.linear(tape, patches, self.weight, self.bias)


class ResidualConv(Module):
    """x + Conv1x1(activation(Conv3x3(x))) of x [B,Y,X,C], hidden width 2C."""

    def __init__(self, width: int, dtype: np.dtype, activation: str):
        self.conv = Conv(width, 2 * width, dtype)
        self.proj = Linear(2 * width, width, dtype, (2 * width) ** -0.5)
        self._activation = activation

    def __call__(self, tape: Tape, x: Tensor) -> Tensor:
        hidden = functional.activation(tape, self.conv(tape, x), self._activation)
        return self.proj(tape, hidden, residual=x)


class ConvStem(Module):
    """Convolutions of 3 x 3 pixels and stride 2 down to the patches' grid, the activation after
    each, and a residual block there: images [B,3,H,W] -> patches [B,P,C]. Ours, not the paper's.

    ``widths`` are the channels after each convolution. Borders repeat the pixels next to them, so
    that nothing tells a patch where it is. A patch of p pixels reads 4p - 1.
    """

    def __init__(self, widths: tuple[int, ...], dtype: np.dtype, activation: str):
        pairs = zip((3, *widths), widths)
        self.convs = [Conv(inputs, outputs, dtype, stride=2) for inputs, outputs in pairs]
        self.block = ResidualConv(widths[-1], dtype, activation)
        self._activation = activation

    def __call__(self, tape: Tape, images: Tensor) -> Tensor:
        x = images
        for i, conv in enumerate(self.convs):
            x = functional.activation(tape, conv(tape, x, planar=i == 0), self._activation)
        x = self.block(tape, x)
        batch, high, wide, width = x.shape
        return functional.reshape(tape, x, (batch, high * wide, width))
