"""Layers as objects: parameters with their names and initial values, and a forward each.

Attribute names are those of open_clip, so that a state dict reads the same. A module is called with
the tape first. There is no backward anywhere: the tape derives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line, line
from csparc.nn import functional
from csparc.nn.parameter import Parameter
from csparc.nn.tape import Tape, Tensor

LAYERNORM_EPS = 1e-5


@dataclass(frozen=True)
class Sequences:
    """Which rows belong together: sequence b is rows offsets[b] to offsets[b+1] (int32 [B+1]).

    ``valid``, bool, one a row or None: the rows other rows may see.
    """

    offsets: np.ndarray
    valid: np.ndarray | None = None

    __repr__ = fields_line

    @classmethod
    def equal(cls, count: int, length: int, valid: np.ndarray | None = None) -> Sequences:
        """``count`` sequences of ``length`` rows each."""
        return cls(np.arange(count + 1, dtype=np.int32) * np.int32(length), valid)

    @classmethod
    def of_lengths(cls, lengths: np.ndarray) -> Sequences:
        """Sequences of those lengths, one after the other."""
        return cls(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


class Module:
    """Anything with parameters."""

    def __repr__(self) -> str:
        own = [parameter.data.size for _, parameter in self.named_parameters()]
        return line(self, f"{sum(own):,} parameters", arrays=len(own))

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Parameters by name, in the order the attributes were set."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
            elif isinstance(value, Module):
                yield from value.named_parameters(f"{prefix}{name}.")
            elif isinstance(value, list):
                for i, item in enumerate(value):
                    yield from item.named_parameters(f"{prefix}{name}.{i}.")


class Linear(Module):
    """y = x weight^T + bias, plus a residual if given."""

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype, spread: float):
        self.weight = Parameter((outputs, inputs), dtype, spread=spread, decay=True)
        self.bias = Parameter((outputs,), dtype)

    def __call__(self, tape: Tape, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return functional.linear(tape, x, self.weight, self.bias, residual)


class LayerNorm(Module):
    def __init__(self, width: int, dtype: np.dtype):
        self.weight = Parameter((width,), dtype, fill=1.0)
        self.bias = Parameter((width,), dtype)

    def __call__(self, tape: Tape, x: Tensor) -> Tensor:
        return functional.layernorm(tape, x, self.weight, self.bias, LAYERNORM_EPS)


class Attention(Module):
    """Multi-head self-attention with its projections, plus the residual."""

    def __init__(self, width: int, heads: int, layers: int, dtype: np.dtype, causal: bool):
        self.in_proj_weight = Parameter((3 * width, width), dtype, spread=width**-0.5, decay=True)
        self.in_proj_bias = Parameter((3 * width,), dtype)
        self.out_proj = Linear(width, width, dtype, width**-0.5 * (2 * layers) ** -0.5)
        self._heads = heads
        self._causal = causal

    def __call__(self, tape: Tape, x: Tensor, sequences: Sequences, residual: Tensor) -> Tensor:
        qkv = functional.linear(tape, x, self.in_proj_weight, self.in_proj_bias)
        seen = functional.attention(
            tape, qkv, self._heads, sequences.offsets, sequences.valid, self._causal
        )
        return self.out_proj(tape, seen, residual)


class Mlp(Module):
    """Two linear maps with an activation between, plus the residual."""

    def __init__(
        self, width: int, hidden: int, layers: int, dtype: np.dtype, activation: str = "gelu"
    ):
        self.c_fc = Linear(width, hidden, dtype, (2 * width) ** -0.5)
        self.c_proj = Linear(hidden, width, dtype, width**-0.5 * (2 * layers) ** -0.5)
        self._activation = activation

    def __call__(self, tape: Tape, x: Tensor, residual: Tensor) -> Tensor:
        hidden = functional.activation(tape, self.c_fc(tape, x), self._activation)
        return self.c_proj(tape, hidden, residual)


class Block(Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dtype: np.dtype,
        *,
        mlp_ratio: int = 4,
        activation: str = "gelu",
        causal: bool = False,
    ):
        self.ln_1 = LayerNorm(width, dtype)
        self.attn = Attention(width, heads, layers, dtype, causal)
        self.ln_2 = LayerNorm(width, dtype)
        self.mlp = Mlp(width, mlp_ratio * width, layers, dtype, activation)

    def __call__(self, tape: Tape, x: Tensor, sequences: Sequences) -> Tensor:
        x = self.attn(tape, self.ln_1(tape, x), sequences, residual=x)
        return self.mlp(tape, self.ln_2(tape, x), residual=x)


class Transformer(Module):
    """``layers`` blocks, one after the other.

    Initial spreads are open_clip's for text, used for both towers: width^-1/2 into attention,
    (2 width)^-1/2 into the MLP, and outputs of both branches smaller by (2 layers)^-1/2, so that
    the residual stream keeps its size at any depth.
    """

    def __init__(self, width: int, heads: int, layers: int, dtype: np.dtype, **options):
        self.resblocks = [Block(width, heads, layers, dtype, **options) for _ in range(layers)]

    def __call__(self, tape: Tape, x: Tensor, sequences: Sequences) -> Tensor:
        for block in self.resblocks:
            x = block(tape, x, sequences)
        return x
