"""Layers as objects: parameters with their names and initial values, and a forward each.

Attribute names are those of open_clip, so that a state dict reads the same. A module is called with
the tape first. There is no backward anywhere: the tape derives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from csparc._repr import fields_line, line
from csparc.nn import functional, grids
from csparc.nn.parameter import Parameter
from csparc.nn.remat import rematerialized
from csparc.nn.tape import Tape, Tensor

LAYERNORM_EPS = 1e-5


@dataclass(frozen=True)
class Sequences:
    """Which rows belong together: sequence b is rows offsets[b] to offsets[b+1] (int32 [B+1]).

    ``valid``, bool, one a row or None: the rows other rows may see. ``window``, ``grid_width`` and
    ``registers``: see `functional.attention`; window 0 has no grid.
    """

    offsets: np.ndarray
    valid: np.ndarray | None = None
    window: int = 0
    grid_width: int = 0
    registers: int = 0

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
    """y = x weight^T + bias, plus a residual if given; ``bias=False`` has none."""

    def __init__(
        self, inputs: int, outputs: int, dtype: np.dtype, spread: float, bias: bool = True
    ):
        self.weight = Parameter((outputs, inputs), dtype, spread=spread, decay=True)
        self.bias = Parameter((outputs,), dtype) if bias else None

    def __call__(self, tape: Tape, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return functional.linear(tape, x, self.weight, self.bias, residual)


class Conv(Module):
    """3 x 3 convolution with replicated borders and a bias; initial values scaled by the 9C numbers
    each output reads, as those of Linear maps are."""

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype, stride: int = 1):
        self.weight = Parameter(
            (outputs, inputs, 3, 3), dtype, spread=(9 * inputs) ** -0.5, decay=True
        )
        self.bias = Parameter((outputs,), dtype)
        self._stride = stride

    def __call__(self, tape: Tape, x: Tensor, planar: bool = False) -> Tensor:
        return grids.conv(tape, x, self.weight, self.bias, self._stride, planar)


class LayerNorm(Module):
    def __init__(self, width: int, dtype: np.dtype, eps: float = LAYERNORM_EPS):
        self.weight = Parameter((width,), dtype, fill=1.0)
        self.bias = Parameter((width,), dtype)
        self._eps = eps

    def __call__(self, tape: Tape, x: Tensor) -> Tensor:
        return functional.layernorm(tape, x, self.weight, self.bias, self._eps)


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
            tape,
            qkv,
            self._heads,
            sequences.offsets,
            sequences.valid,
            self._causal,
            window=sequences.window,
            grid_width=sequences.grid_width,
            registers=sequences.registers,
        )
        return self.out_proj(tape, seen, residual)


class AttentionPool(Module):
    """Learned queries that attend to the rows of every sample: x [B,T,C] -> [B,C].

    Queries, keys and values are projected, with biases; what the ``queries`` find is laid side by
    side and projected to the width: each may look for something else, where a mean would leave one
    map a head. With one query this is the attention of SigLIP's pooling head. The queries start
    with standard deviation C^-1/2, the maps scaled by their inputs.
    """

    def __init__(self, width: int, heads: int, queries: int, dtype: np.dtype):
        self.queries = Parameter((queries, width), dtype, spread=width**-0.5)
        self.q = Linear(width, width, dtype, width**-0.5)
        self.kv = Linear(width, 2 * width, dtype, width**-0.5)
        self.proj = Linear(queries * width, width, dtype, (queries * width) ** -0.5)
        self._heads = heads

    def __call__(self, tape: Tape, x: Tensor, valid: np.ndarray | None = None) -> Tensor:
        count, width = self.queries.shape
        learned = functional.embed(tape, np.arange(count, dtype=np.int32), self.queries)
        q = functional.reshape(tape, self.q(tape, learned), (1, count, width))
        found = grids.attention_pool(tape, q, self.kv(tape, x), self._heads, valid)
        return self.proj(tape, functional.reshape(tape, found, (x.shape[0], count * width)))


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


class MapHead(Module):
    """SigLIP's head on the rows of every sample, x [B,T,C] -> [B,C]: a + mlp(norm(a)), a what one
    learned query finds (`AttentionPool`; "multihead attention pooling", arXiv 2106.04560)."""

    def __init__(
        self, width: int, heads: int, hidden: int, dtype: np.dtype, activation: str, eps: float
    ):
        self.pool = AttentionPool(width, heads, 1, dtype)
        self.norm = LayerNorm(width, dtype, eps)
        self.mlp = Mlp(width, hidden, 1, dtype, activation)

    def __call__(self, tape: Tape, x: Tensor) -> Tensor:
        found = self.pool(tape, x)
        return self.mlp(tape, self.norm(tape, found), residual=found)


class Block(Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x)). ``hidden`` is the
    width of the MLP between its two maps."""

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dtype: np.dtype,
        *,
        hidden: int,
        activation: str = "gelu",
        causal: bool = False,
        eps: float = LAYERNORM_EPS,
    ):
        self.ln_1 = LayerNorm(width, dtype, eps)
        self.attn = Attention(width, heads, layers, dtype, causal)
        self.ln_2 = LayerNorm(width, dtype, eps)
        self.mlp = Mlp(width, hidden, layers, dtype, activation)

    def __call__(self, tape: Tape, x: Tensor, sequences: Sequences) -> Tensor:
        if tape.remat:
            own = [parameter for _, parameter in self.named_parameters()]
            return rematerialized(
                tape, partial(self._forward, sequences), x, own, self.mlp.c_proj.weight
            )
        return self._forward(sequences, tape, x)

    def _forward(self, sequences: Sequences, tape: Tape, x: Tensor) -> Tensor:
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

    def __call__(
        self, tape: Tape, x: Tensor, sequences: Sequences, begin: int = 0, end: int | None = None
    ) -> Tensor:
        """Blocks ``begin`` to ``end``, by default all."""
        for block in self.resblocks[begin:end]:
            x = block(tape, x, sequences)
        return x
