"""The objectives of csparc in JAX: every one as a function of arrays, for jit and grad.

::

    from csparc.jax import sparc_loss

    loss, gradient = jax.jit(jax.value_and_grad(sparc_loss))(patches, tokens, text_mask=mask)

Names are those of `csparc`: ``clip_loss`` for every objective in `csparc.losses.LOSSES`, one's own
included from the moment it is registered. docs/from-jax.md says what to expect of masks, scales,
devices and transformations.
"""

from __future__ import annotations

from typing import Any

from csparc._extras import require

require("jax", "jax")

from csparc.interop.calls import function_name  # noqa: E402
from csparc.jax._functions import make_function  # noqa: E402
from csparc.losses.registry import LOSSES  # noqa: E402

_MADE: dict[Any, Any] = {}


def _names() -> dict[str, Any]:
    """Functions by name, each made once."""
    for cls in LOSSES.values():
        if cls not in _MADE:
            _MADE[cls] = make_function(cls)
    return {function_name(name): _MADE[cls] for name, cls in LOSSES.items()}


def __getattr__(name: str) -> Any:
    found = _names()
    if name in found:
        return found[name]
    raise AttributeError(f"module 'csparc.jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_names()})


globals().update(_names())
__all__ = [*_names()]
