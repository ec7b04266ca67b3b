"""Reverse mode over the ops of the C core, and the modules built on it."""

from csparc.nn.buffers import BUFFERS, Buffers
from csparc.nn.modules import (
    Attention,
    AttentionPool,
    Block,
    Conv,
    LayerNorm,
    Linear,
    MapHead,
    Mlp,
    Module,
    Sequences,
    Transformer,
)
from csparc.nn.parameter import Parameter
from csparc.nn.prepack import prepacked
from csparc.nn.tape import Tape, Tensor

__all__ = [
    "BUFFERS",
    "Attention",
    "AttentionPool",
    "Block",
    "Buffers",
    "Conv",
    "LayerNorm",
    "Linear",
    "MapHead",
    "Mlp",
    "Module",
    "Parameter",
    "Sequences",
    "Tape",
    "Tensor",
    "Transformer",
    "prepacked",
]
