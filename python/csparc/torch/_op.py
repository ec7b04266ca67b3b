"""The one operator: an objective's value, its parts and, where asked for, all gradients at once.

``torch.ops.csparc.objective(tensors, text_mask, patch_mask, groups, call, grad)`` returns

- the loss, a scalar: float64 where an array of the call has 64 bits, else float32, under autocast
  too;
- its parts and the share of weights kept, one vector of that type;
- with ``grad``, for every floating-point tensor its gradient, in its own type and shape.

The core forms value and gradients in one pass, so the operator that computes the loss has the
gradients too, and what is left for the backward pass is a factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csparc._arrays import BFLOAT16
from csparc.interop.calls import read_call
from csparc.losses.base import WORD_INPUTS

NAME = "csparc::objective"
SCHEMA = (
    "(Tensor[] tensors, Tensor? text_mask, Tensor? patch_mask, Tensor? groups, str call, bool grad)"
    " -> Tensor[]"
)
TWICE = (
    "csparc.torch: expected to be differentiated once, found a second derivative asked for: the "
    "gradients of a csparc loss have none. Call backward or torch.autograd.grad without "
    "create_graph, or detach what the second derivative is taken of"
)


def as_array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor as an ndarray, without a copy."""
    plain = tensor.detach().resolve_neg()
    if plain.dtype is torch.bfloat16:
        return plain.view(torch.int16).numpy().view(BFLOAT16)
    return plain.numpy()


def value_type(names: Sequence[str], tensors: Sequence[Tensor]) -> torch.dtype:
    """The type of the loss: numbers beside the arrays do not decide it, nor do ids of words."""
    arrays = [x.dtype for n, x in zip(names, tensors) if x.dim() > 1 and n not in WORD_INPUTS]
    wide = any(d is torch.float64 or not d.is_floating_point for d in arrays)
    return torch.float64 if wide else torch.float32


def _compute(
    tensors: Sequence[Tensor],
    text_mask: Tensor | None,
    patch_mask: Tensor | None,
    groups: Tensor | None,
    call: str,
    grad: bool,
) -> list[Tensor]:
    read = read_call(call)
    out = read.compute(
        [as_array(tensor) for tensor in tensors],
        text_mask=None if text_mask is None else as_array(text_mask),
        patch_mask=None if patch_mask is None else as_array(patch_mask),
        groups=None if groups is None else as_array(groups),
        grad=grad,
    )
    kind = value_type(read.names, tensors)
    parts = [out.parts[part.name] for part in read.loss.parts]
    values = [
        torch.tensor(out.loss, dtype=kind),
        torch.tensor([*parts, out.kept_fraction]).to(kind),
    ]
    if not grad:
        return values
    return values + [
        _gradient(read.gradient(out, name), tensor)
        for name, tensor in zip(read.names, tensors)
        if tensor.is_floating_point()
    ]


def _gradient(found: Any, tensor: Tensor) -> Tensor:
    gradient = torch.as_tensor(found, dtype=torch.float64 if isinstance(found, float) else None)
    return gradient.to(tensor.dtype).reshape(tensor.shape)


def _shapes(
    tensors: Sequence[Tensor],
    text_mask: Tensor | None,
    patch_mask: Tensor | None,
    groups: Tensor | None,
    call: str,
    grad: bool,
) -> list[Tensor]:
    """What `_compute` returns, as far as a compiler must know it."""
    read = read_call(call)
    some, kind = tensors[0], value_type(read.names, tensors)
    parts = len(read.loss.parts)
    values = [some.new_empty((), dtype=kind), some.new_empty((parts + 1,), dtype=kind)]
    if not grad:
        return values
    return values + [
        tensor.new_empty(tensor.shape) for tensor in tensors if tensor.is_floating_point()
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
    _, *others = output
    ctx.places = [tensor.is_floating_point() for tensor in inputs[0]]
    ctx.formed = inputs[-1]
    ctx.mark_non_differentiable(*others)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*others[1:])


def _backward(ctx: Any, derivatives: Sequence[Tensor | None]) -> tuple[Any, ...]:
    factor, rest = derivatives[0], [None] * 5
    if factor is None:
        return [None] * len(ctx.places), *rest
    if not ctx.formed:
        raise RuntimeError(
            f"{NAME}: expected grad=True where a tensor requires a gradient, found False"
        )
    found = iter(_times(ctx.saved_tensors, factor))
    return [next(found) if place else None for place in ctx.places], *rest


def _times(gradients: Sequence[Tensor], factor: Tensor) -> Sequence[Tensor]:
    """The gradients times the derivative of the loss, which is 1 in most loops: no copy then."""
    if torch.is_grad_enabled():
        return _Once.apply(factor, torch.zeros((), requires_grad=True), *gradients)
    # Only a plain tensor has a value to look at; a compiler's stands for all of them.
    if type(factor) is Tensor and factor.device.type == "cpu" and float(factor) == 1.0:
        return gradients
    return [gradient * factor.to(gradient.dtype) for gradient in gradients]


class _Once(torch.autograd.Function):
    """Hands gradients on; refuses to be differentiated, where autograd would find constants."""

    @staticmethod
    def forward(ctx: Any, factor: Tensor, _: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient * factor.to(gradient.dtype) for gradient in gradients)

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor) -> Any:
        raise RuntimeError(TWICE)


objective = torch.library.custom_op(
    NAME, _compute, mutates_args=(), device_types="cpu", schema=SCHEMA
)
objective.register_fake(_shapes)
objective.register_autograd(_backward, setup_context=_keep)
