"""What the peers of all losses share: torch functions as calls, and whether two programs agree.

torch and jax are optional here and nowhere else: pip install 'csparc[bench]'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Outcome = tuple[float, Mapping[str, Any]]
"""The loss, and gradients by argument name (none where they were not asked for), as arrays or
nested mappings of arrays that NumPy reads."""

LOSS_LIMIT, GRADIENT_LIMIT, SCALE_LIMIT = 1e-5, 1e-3, 2e-2
"""Relative. Of millions of similarities one may lie so near a threshold, or two so near each other,
that two programs round them to different sides; gradients then differ by 1e-4 instead of a few
1e-7. The gradient of a scale is one number, a sum over all pairs whose terms nearly cancel."""
CHOICES = 1e-3
"""Share of the rows of a gradient that may be altogether different: a key that one program keeps
and the other just does not changes its own row and those of what chose it."""


def torch_call(
    function: Callable, arguments: Mapping[str, Any], *, gradients: bool, compiled: bool
) -> Callable[[], Outcome]:
    """A call of ``function`` on the values of ``arguments``, in their order, as tensors.

    The arrays are shared, not copied. Gradients are of all arguments.
    """
    import torch

    tensors = [
        (torch.from_numpy(x) if isinstance(x, np.ndarray) else torch.tensor(float(x)))
        for x in arguments.values()
    ]
    for tensor in tensors:
        tensor.requires_grad_(gradients)
        if gradients:
            tensor.grad = torch.full_like(tensor, 0.0)  # as after a call: memory that was touched
    if compiled:
        function = torch.compile(function, fullgraph=True, dynamic=False)

    def call() -> Outcome:
        for tensor in tensors:
            tensor.grad = None
        value = function(*tensors)
        if not gradients:
            return float(value), {}
        value.backward()
        return float(value.detach()), {n: t.grad for n, t in zip(arguments, tensors)}

    return call


def flattened(grads: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Entries of nested mappings as ``outer.inner``."""
    out: dict[str, Any] = {}
    for name, value in grads.items():
        if isinstance(value, Mapping):
            out |= flattened(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = value
    return out


def relative_error(own: Any, other: Any) -> float:
    """Length of the difference over that of ``own``, both without the few worst rows."""
    own, other = (np.atleast_1d(np.asarray(x)) for x in (own, other))
    rows = own.reshape(-1, own.shape[-1])
    apart = np.linalg.norm(rows - other.reshape(rows.shape), axis=1)
    lengths = np.linalg.norm(rows, axis=1)
    counted = np.argsort(apart)[: len(apart) - int(CHOICES * len(apart))]
    return float(np.linalg.norm(apart[counted]) / np.linalg.norm(lengths[counted]))


def check_agreement(name: str, ours: Outcome, theirs: Outcome) -> str:
    """How far loss and gradients of two programs lie apart, relative to ours.

    Raises ``AssertionError`` where they do not compute the same thing.
    """
    errors = {"loss": abs(ours[0] - theirs[0]) / abs(ours[0])}
    own_gradients = flattened(ours[1])
    for key, other in theirs[1].items():
        errors[f"gradient of {key}"] = relative_error(own_gradients[key], other)
    for key, error in errors.items():
        limit = LOSS_LIMIT if key == "loss" else GRADIENT_LIMIT
        if key.endswith("_scale"):
            limit = SCALE_LIMIT
        if not error <= limit:
            raise AssertionError(f"{name} computes something else: {key} differs by {error:.1e}")
    return "differs by: " + ", ".join(f"{key} {error:.0e}" for key, error in errors.items())
