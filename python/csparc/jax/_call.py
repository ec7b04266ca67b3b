"""One call of an objective inside a traced program: value, parts and gradients at once.

On the CPU the core reads and writes XLA's own buffers (`csparc.jax._ffi`); on other devices JAX
brings the arrays to the host and back (`jax.pure_callback`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from csparc._arrays import check_axes
from csparc.interop.calls import EXTRA, read_call
from csparc.jax._ffi import TARGET, register
from csparc.losses._batch import AXES
from csparc.losses.base import WORD_INPUTS

OTHERS = ("text_mask", "patch_mask", "groups", *WORD_INPUTS)
TWICE = (
    "csparc.jax: expected to be differentiated once, in reverse, found a second derivative asked "
    "for: the gradients of a csparc loss have none"
)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def objective(call: str, arrays: tuple, others: tuple) -> tuple[jax.Array, jax.Array]:
    """(loss, its parts and the share of weights kept).

    ``arrays`` are floating-point ones, those that ``call`` names; ``others`` are `OTHERS` or None.
    """
    loss, parts = _run(call, False, arrays, others)
    return loss, parts


def _forward(call: str, arrays: tuple, others: tuple) -> tuple[Any, Any]:
    loss, parts, *gradients = _gradients(call, arrays, others)
    return (loss, parts), gradients


def _backward(call: str, gradients: list, derivatives: tuple) -> tuple[tuple, None]:
    """Under jit the derivative of a loss is the constant 1, and XLA leaves the product out."""
    factor = derivatives[0]
    return tuple(gradient * factor.astype(gradient.dtype) for gradient in gradients), None


objective.defvjp(_forward, _backward)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _gradients(call: str, arrays: tuple, others: tuple) -> list[jax.Array]:
    return _run(call, True, arrays, others)


@_gradients.defjvp
def _refuse(call: str, primals: tuple, tangents: tuple) -> Any:
    raise TypeError(TWICE)


def _run(call: str, grad: bool, arrays: tuple, others: tuple) -> list[jax.Array]:
    """The call as an operation of a program that is traced."""
    read = read_call(call)
    inputs = (*read.loss.inputs, EXTRA)
    check_axes({n: x for n, x in zip(read.names, arrays) if n in inputs}, AXES)
    given = [name for name, other in zip(OTHERS, others) if other is not None]
    text = f"{'grad' if grad else ''}:{','.join(given)}\n{call}"
    wide = any(array.ndim > 1 and array.dtype == np.float64 for array in arrays)
    kind = np.float64 if wide else np.float32
    results = [
        jax.ShapeDtypeStruct((), kind),
        jax.ShapeDtypeStruct((len(read.loss.parts) + 1,), kind),
        *(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays if grad),
    ]
    operands = (*arrays, *(other for other in others if other is not None))
    if jax.default_backend() == "cpu":
        run = jax.ffi.ffi_call(TARGET, results, vmap_method="sequential")
        return list(run(*operands, call=text))
    back = partial(_on_host, text, results)
    return list(jax.pure_callback(back, results, *operands, vmap_method="sequential"))


def _on_host(text: str, results: Sequence[Any], *operands: Any) -> list[np.ndarray]:
    filled = [np.empty(result.shape, result.dtype) for result in results]
    fill(text, [np.asarray(operand) for operand in operands], filled)
    return filled


def fill(text: str, operands: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
    """Compute a call and write its results to the arrays given."""
    how, _, call = text.partition("\n")
    grad, _, given = how.partition(":")
    read = read_call(call)
    arrays = dict(zip(read.names, operands))
    others = dict(zip(given.split(",") if given else (), operands[len(arrays) :]))
    gradients = dict(zip(arrays, results[2:]))
    out_grads = {
        name: gradient
        for name, gradient in gradients.items()
        if name in (*read.loss.inputs, EXTRA) and gradient.dtype in (np.float32, np.float64)
    }
    words = {name: others.pop(name) for name in WORD_INPUTS if name in others}
    out = read.compute(
        list(arrays.values()),
        **others,
        words=words,
        grad=bool(grad),
        out_grads=out_grads if grad else None,
    )  # fmt: skip
    results[0][...] = out.loss
    results[1][...] = [*(out.parts[part.name] for part in read.loss.parts), out.kept_fraction]
    for name, gradient in gradients.items():
        found = read.gradient(out, name)
        if found is not gradient:
            _write(gradient, found)


def _write(result: np.ndarray, found: Any) -> None:
    """With the bits of bfloat16 where NumPy has no such type."""
    if result.dtype.names:
        result["bfloat16"][...] = np.asarray(found, jnp.bfloat16.dtype).view(np.uint16)
    else:
        result[...] = np.reshape(found, result.shape)


register(fill)
