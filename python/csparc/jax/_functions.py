"""Objectives as functions of JAX arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from csparc.interop.calls import call_text, function_name, sorted_arguments
from csparc.jax._call import objective
from csparc.losses.base import WORD_INPUTS, Loss


def make_function(cls: type[Loss]) -> Callable[..., Any]:
    """The function of one objective."""

    def function(
        *arrays: Any,
        text_mask: Any = None,
        patch_mask: Any = None,
        groups: Any = None,
        same_group: str = "exclude",
        return_parts: bool = False,
        **more: Any,
    ) -> Any:
        given, options = sorted_arguments(cls, arrays, more, (jax.Array, np.ndarray))
        words = [given.pop(name, None) for name in WORD_INPUTS]
        floats = {name: _floating(x) for name, x in given.items() if x is not None}
        names = [name for name, x in floats.items() if not isinstance(x, float)]
        numbers = {name: x for name, x in floats.items() if isinstance(x, float)}
        call = call_text(cls.name, {**options, **numbers}, names, same_group)
        masks = (
            text_mask if "tokens" in cls.inputs else None,
            patch_mask if "patches" in cls.inputs else None,
            groups,
            *words,
        )
        others = tuple(None if mask is None else jnp.asarray(mask) for mask in masks)
        loss, values = objective(call, tuple(floats[name] for name in names), others)
        if not return_parts:
            return loss
        values = jax.lax.stop_gradient(values)
        parts = [*(part.name for part in cls.parts), "kept_fraction"]
        return loss, {name: values[place] for place, name in enumerate(parts)}

    function.__name__ = function.__qualname__ = function_name(cls.name)
    function.__module__ = "csparc.jax"
    function.__doc__ = _FUNCTION.format(
        about=f"{cls.label} on JAX arrays: a scalar that can be differentiated once, in reverse.",
        inputs=", ".join(cls.inputs),
        options=", ".join([option.name for option in cls.options()]) or "none",
        of=cls.__name__,
    )
    return function


def _floating(value: Any) -> Any:
    """Numbers of Python keep their 64 bits; whole numbers become floating-point ones, as JAX has
    them by default."""
    if isinstance(value, (float, int)):
        return float(value)
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


_FUNCTION = """{about}

    Under ``jax.jit``, ``jax.grad`` and ``jax.value_and_grad``; ``jax.vmap`` calls it once for each
    entry.

    Parameters
    ----------
    {inputs} : Array
        As in the function of the same name in `csparc`: float32, float64 (where JAX has it
        enabled), bfloat16 or float16.
    text_mask, patch_mask : Array or list, optional
        True = valid: bools, 0/1, or lengths [B].
    logit_scale : float or scalar Array, optional
        The number that multiplies the similarities, not its logarithm. What an objective learns
        beside it may be given as arrays too, under its argument's name.
    groups, same_group
        Ids [B] of pairs that show or say the same, as in `csparc.clip_loss`.
    extra_text_global : Array, optional
        Vectors [N, D] of captions without a picture, negatives of every picture, as in
        `csparc.clip_loss`; refused by objectives without a part that contrasts whole captions.
    return_parts : bool
        Return (loss, parts by name), as ``has_aux=True`` takes it; parts carry no gradient.
    **options
        Those of `csparc.{of}`, constants of a traced program: {options}.

    Returns
    -------
    Array
        A scalar: float64 where an array is, else float32.

    Raises
    ------
    ValueError, TypeError
        Options, names and shapes, when the call is traced. What depends on values (a mask that is
        not 0 or 1) is a jax.errors.JaxRuntimeError with the same text, when it runs. TypeError: a
        second derivative.
    """
