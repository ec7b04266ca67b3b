"""Results as arrays of another library: the argument ``like`` of the functions on arrays."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from csparc._arrays import describe

Result = TypeVar("Result")
_LIKE = """
    like : array or module, optional
        A library's array, or the library (torch, jax.numpy): the result holds its arrays in place
        of NumPy's, handed over by ``__dlpack__``, without a copy where that library makes none.
"""


def gives_like(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let a function on arrays take ``like``, and say so in its signature and documentation."""

    @wraps(function)
    def called(*args: Any, like: Any = None, **named: Any) -> Result:
        found = function(*args, **named)
        return found if like is None else as_like(found, like)

    signature = inspect.signature(function)
    keyword = inspect.Parameter("like", inspect.Parameter.KEYWORD_ONLY, default=None)
    called.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), keyword]
    )
    head, mark, tail = (function.__doc__ or "").partition("\n    Returns\n")
    called.__doc__ = head.rstrip() + _LIKE + mark + tail
    return called


def as_like(value: Any, like: Any) -> Any:
    """``value`` with every array in it, in a dict or an output of a loss too, as one of ``like``'s
    library.

    Raises
    ------
    TypeError
        A ``like`` of a library that takes no arrays from others.
    """
    take = _importer(like)

    def taken(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: taken(entry) for name, entry in value.items()}
        return take(value) if isinstance(value, np.ndarray) else value

    return value.with_arrays(taken) if hasattr(value, "with_arrays") else taken(value)


def _importer(like: Any) -> Callable[[np.ndarray], Any]:
    """The ``from_dlpack`` of the library that an array belongs to, or that was given."""
    library = like
    if hasattr(like, "__array_namespace__"):
        library = like.__array_namespace__()
    elif not inspect.ismodule(like):
        library = sys.modules.get(type(like).__module__.partition(".")[0])
    take = getattr(library, "from_dlpack", None)
    if take is None or isinstance(like, (str, int, float, list, tuple)):
        raise TypeError(
            "like: expected an array of a library that has from_dlpack (torch, jax, cupy, numpy), "
            f"or that library, found {describe(like)}"
        )
    return take
