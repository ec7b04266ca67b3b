"""The op pairs of the C core on a tape. Equations: the headers in csparc/op/.

Each function takes the tape first and returns a tensor; notes hold exactly what the backward reads.
Gradients of frozen parameters and of tensors without a node are not computed.
"""

from __future__ import annotations

import numpy as np

from csparc.nn.parameter import Parameter, trained
from csparc.nn.prepack import panels_of
from csparc.nn.tape import Tape, Tensor


def _grad(parameter: Parameter | None, shape: tuple[int, ...]) -> np.ndarray | None:
    grad = None if parameter is None else parameter.grad
    return None if grad is None else grad.reshape(shape)


def mask_bytes(valid: np.ndarray | None) -> np.ndarray | None:
    """A bool mask as the core takes it."""
    return None if valid is None else valid.view(np.uint8)


def linear(
    tape: Tape,
    x: Tensor,
    weight: Parameter,
    bias: Parameter | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """x [..., K] weight [M, ...]^T + bias [M] + residual [..., M] -> [..., M].

    Axes of weight after the first are taken together as K. Where the weight is ``rounded``, the
    operands of its products, here and in the backward pass, are rounded to bfloat16.
    """
    outputs, inputs = len(weight.data), x.shape[-1]
    kernel = weight.data.reshape(outputs, inputs)
    rows = x.data.reshape(-1, inputs)
    y = tape.take((*x.shape[:-1], outputs), rows.dtype)
    if tape.reads(weight):
        tape.core.linear_forward(
            rows,
            kernel,
            None if bias is None else bias.data,
            None if residual is None else residual.data.reshape(-1, outputs),
            panels_of(weight, kernel),
            weight.rounded,
            y.reshape(-1, outputs),
        )
    node, shape = x.node, x.shape
    residual_node = None if residual is None else residual.node

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = None if node is None else tape.take(shape, dy.dtype)
        tape.core.linear_backward(
            rows,
            kernel,
            dy.reshape(-1, outputs),
            weight.rounded,
            None if dx is None else dx.reshape(-1, inputs),
            _grad(weight, kernel.shape),
            _grad(bias, (outputs,)),
        )
        if dx is not None:
            tape.add_grad(node, dx, fresh=True)
        tape.add_grad(residual_node, dy, fresh=False)

    wanted = node is not None or residual_node is not None or trained(weight, bias)
    return tape.output(y, wanted, note, weight)


def layernorm(tape: Tape, x: Tensor, weight: Parameter, bias: Parameter, eps: float) -> Tensor:
    """Rows of x [..., C] to mean 0 and variance 1, times weight [C] plus bias [C]."""
    width = x.shape[-1]
    rows = x.data.reshape(-1, width)
    y = tape.take(x.shape, rows.dtype)
    mean, rstd = tape.take((len(rows),), rows.dtype), tape.take((len(rows),), rows.dtype)
    tape.core.layernorm_forward(rows, weight.data, bias.data, eps, y.reshape(-1, width), mean, rstd)
    node, shape = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = None if node is None else tape.take(shape, dy.dtype)
        both = trained(weight) and trained(bias)
        # The op adds both gradients or neither; that of a frozen one goes nowhere.
        spare = None if both or not trained(weight, bias) else np.zeros_like(weight.data)
        tape.core.layernorm_backward(
            rows,
            weight.data,
            mean,
            rstd,
            dy.reshape(-1, width),
            None if dx is None else dx.reshape(-1, width),
            weight.grad if weight.requires_grad else spare,
            bias.grad if bias.requires_grad else spare,
        )
        if dx is not None:
            tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None or trained(weight, bias), note, weight)


def activation(tape: Tape, x: Tensor, kind: str) -> Tensor:
    """ "gelu", "quick_gelu", "gelu_tanh" or "relu", entry by entry; "none" returns x."""
    if kind == "none":
        return x
    flat = x.data.reshape(-1)
    y = tape.take(x.shape, flat.dtype)
    getattr(tape.core, f"{kind}_forward")(flat, y.reshape(-1))
    node = x.node

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = tape.take(dy.shape, dy.dtype)
        getattr(tape.core, f"{kind}_backward")(flat, dy.reshape(-1), dx.reshape(-1))
        tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None, note)


def attention(
    tape: Tape,
    qkv: Tensor,
    heads: int,
    offsets: np.ndarray,
    valid: np.ndarray | None = None,
    causal: bool = False,
    window: int = 0,
    grid_width: int = 0,
    registers: int = 0,
) -> Tensor:
    """Self-attention within sequences: qkv [..., 3C] -> [..., C].

    All axes but the last are rows; sequence b is rows offsets[b] to offsets[b+1] (int32).
    ``valid``, bool, one a row, marks the keys that are seen. With an odd ``window`` k a sequence is
    a grid of patches, ``grid_width`` a row, and ``registers`` rows after them: a patch sees the
    k x k patches around it and the registers, a register all rows.
    """
    triple = qkv.shape[-1]
    width, mask = triple // 3, mask_bytes(None if valid is None else valid.reshape(-1))
    packed = qkv.data.reshape(-1, 3, width)
    reach = (mask, causal, window, grid_width, registers)
    y = tape.take((len(packed), heads, width // heads), packed.dtype)
    lse = tape.take((heads, len(packed)), packed.dtype)
    tape.core.attention_forward(packed, offsets, *reach, y, lse)
    node, shape = qkv.node, qkv.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dqkv = tape.take(shape, dy.dtype)
        tape.core.attention_backward(
            packed, offsets, *reach, y, lse, dy.reshape(y.shape), dqkv.reshape(packed.shape)
        )
        tape.add_grad(node, dqkv, fresh=True)

    return tape.output(y.reshape(*shape[:-1], width), node is not None, note)


def embed(tape: Tape, ids: np.ndarray, weight: Parameter) -> Tensor:
    """Rows of weight [V,C] by ids [..., ] int32 -> [..., C]."""
    flat, width = ids.reshape(-1), weight.shape[1]
    y = tape.take((*ids.shape, width), weight.data.dtype)
    tape.core.embed_forward(weight.data, flat, y.reshape(-1, width))

    def note(tape: Tape, dy: np.ndarray) -> None:
        tape.core.embed_backward(flat, dy.reshape(-1, width), weight.grad)

    return tape.output(y, weight.requires_grad, note, weight)


def add_position(tape: Tape, x: Tensor, position: Parameter) -> Tensor:
    """x [B,T,C] + position [S,C] on its first rows; a table longer than T is cut off."""
    length = x.shape[1]
    y = tape.take(x.shape, x.data.dtype)
    tape.core.position_forward(x.data, position.data[:length], y)
    node = x.node

    def note(tape: Tape, dy: np.ndarray) -> None:
        if position.requires_grad:
            tape.core.position_backward(dy, position.grad[:length])
        tape.add_grad(node, dy, fresh=False)

    return tape.output(y, node is not None or position.requires_grad, note, position)


def add(tape: Tape, x: Tensor, y: Tensor) -> Tensor:
    """x + y, same shapes."""
    z = tape.take(x.shape, x.data.dtype)
    tape.core.add(x.data.reshape(-1), y.data.reshape(-1), z.reshape(-1))
    nodes = (x.node, y.node)

    def note(tape: Tape, dz: np.ndarray) -> None:
        for node in nodes:
            tape.add_grad(node, dz, fresh=False)

    return tape.output(z, any(node is not None for node in nodes), note)


def patchify(tape: Tape, images: Tensor, size: int) -> Tensor:
    """images [B,3,H,W] -> rows of their patches [B,P,3*size*size]."""
    batch, _, high, wide = images.shape
    shape = (batch, (high // size) * (wide // size), 3 * size * size)
    y = tape.take(shape, images.data.dtype)
    tape.core.patchify_forward(images.data, size, y)
    node, image_shape = images.node, images.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dimages = tape.take(image_shape, dy.dtype)
        tape.core.patchify_backward(dy, size, dimages)
        tape.add_grad(node, dimages, fresh=True)

    return tape.output(y, node is not None, note)


def pool(tape: Tape, x: Tensor, valid: np.ndarray | None = None) -> Tensor:
    """Mean of x [B,T,C] over the valid positions -> [B,C]; 0 where there are none."""
    mask, shape = mask_bytes(valid), x.shape
    y = tape.take((shape[0], shape[2]), x.data.dtype)
    tape.core.pool_forward(x.data, mask, y)
    node = x.node

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = tape.take(shape, dy.dtype)
        tape.core.pool_backward(mask, dy, dx)
        tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None, note)


def unpack(tape: Tape, x: Tensor, rows: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Rows of x [N,C] to places ``rows`` [N] int32 (each once) of zeros [*shape, C]."""
    width = x.shape[-1]
    y = tape.take((*shape, width), x.data.dtype)
    y[...] = 0
    tape.core.embed_backward(rows, x.data, y.reshape(-1, width))
    node, packed_shape = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = tape.take(packed_shape, dy.dtype)
        tape.core.embed_forward(dy.reshape(-1, width), rows, dx)
        tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None, note)


def select(tape: Tape, x: Tensor, rows: np.ndarray) -> Tensor:
    """Row ``rows[b]`` (int32 [B]) of every sample b: x [B,T,C] -> [B,C]."""
    batch, length, width = x.shape
    places = rows + np.arange(batch, dtype=np.int32) * np.int32(length)
    y = tape.take((batch, width), x.data.dtype)
    tape.core.embed_forward(x.data.reshape(-1, width), places, y)
    node, shape = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        dx = tape.take(shape, dy.dtype)
        dx[...] = 0
        tape.core.embed_backward(places, dy, dx.reshape(-1, width))
        tape.add_grad(node, dx, fresh=True)

    return tape.output(y, node is not None, note)


def reshape(tape: Tape, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same numbers under another shape; no copy."""
    node, before = x.node, x.shape

    def note(tape: Tape, dy: np.ndarray) -> None:
        tape.add_grad(node, dy.reshape(before), fresh=False)

    return tape.output(x.data.reshape(shape), node is not None, note)
