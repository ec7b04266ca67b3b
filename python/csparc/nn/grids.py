"""The op pairs on grids of pixels and patches, on a tape. Equations: the headers in csparc/op/."""

from __future__ import annotations

import numpy as np

from csparc.nn.functional import mask_bytes
from csparc.nn.parameter import Parameter, trained
from csparc.nn.tape import Tape, Tensor


def attention_pool(
    tape: Tape, q: Tensor, kv: Tensor, heads: int, valid: np.ndarray | None = None
) -> Tensor:
    """Attention of queries to the rows of every sample: q [1 or B,Q,C], kv [B,T,2C] -> [B,Q,C].

    A row of kv is its key and its value. Queries of one sample are those of all. ``valid``, bool
    [B,T], marks the rows that are seen; a sample without any gives 0.
    """
    groups, queries, width = q.shape
    batch, length, _ = kv.shape
    split = (groups, queries, heads, width // heads)
    rows, pairs, mask = (
        q.data.reshape(split),
        kv.data.reshape(batch, length, 2, width),
        mask_bytes(valid),
    )
    y = tape.take((batch, *split[1:]), rows.dtype)
    lse = tape.take((batch, heads, queries), rows.dtype)
    tape.core.attention_pool_forward(rows, pairs, mask, y, lse)
    nodes, shapes = (q.node, kv.node), (q.shape, kv.shape)

    def note(tape: Tape, dy: np.ndarray) -> None:
        dq, dkv = (tape.take(shape, dy.dtype) for shape in shapes)
        tape.core.attention_pool_backward(
            rows, pairs, mask, y, lse, dy.reshape(y.shape), dq.reshape(split),
            dkv.reshape(pairs.shape),
        )  # fmt: skip
        for node, gradient in zip(nodes, (dq, dkv), strict=True):
            tape.add_grad(node, gradient, fresh=True)

    wanted = any(node is not None for node in nodes)
    return tape.output(y.reshape(batch, queries, width), wanted, note)


def conv(
    tape: Tape,
    x: Tensor,
    weight: Parameter,
    bias: Parameter | None = None,
    stride: int = 1,
    planar: bool = False,
) -> Tensor:
    """3 x 3 convolution with replicated borders, stride 1 or 2: x [B,Y,X,C] -> [B,Y',X',M].

    weight [M,C,3,3], bias [M]. ``planar``: x is [B,C,Y,X], as pictures come.
    """
    kind = "conv_planar" if planar else "conv"
    high, wide = x.shape[2:] if planar else x.shape[1:3]
    y = tape.take((x.shape[0], high // stride, wide // stride, len(weight.data)), x.data.dtype)
    getattr(tape.core, f"{kind}_forward")(
        x.data, weight.data, None if bias is None else bias.data, stride, y
    )
    data, node = x.data, x.node

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = None if node is None else tape.take(data.shape, dy.dtype)
        dbias = None if bias is None else bias.grad
        backward = getattr(tape.core, f"{kind}_backward")
        backward(data, weight.data, stride, dy, dx, weight.grad, dbias)
        if dx is not None:
            tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None or trained(weight, bias), note, weight)


def append(tape: Tape, x: Tensor, rows: Parameter) -> Tensor:
    """x [B,T,C] with rows [R,C] behind those of every sample -> [B,T+R,C]."""
    batch, length, width = x.shape
    y = tape.take((batch, length + len(rows.data), width), x.data.dtype)
    tape.core.append_forward(x.data, rows.data, y)
    node, shape = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = None if node is None else tape.take(shape, dy.dtype)
        tape.core.append_backward(dy, dx, rows.grad)
        if dx is not None:
            tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None or rows.requires_grad, note, rows)


def leading(tape: Tape, x: Tensor, length: int) -> Tensor:
    """The first ``length`` rows of every sample: x [B,S,C] -> [B,length,C]."""
    y = tape.take((x.shape[0], length, x.shape[2]), x.data.dtype)
    tape.core.leading_forward(x.data, y)
    node, shape = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = tape.take(shape, dy.dtype)
        tape.core.leading_backward(dy, dx)
        tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None, note)
