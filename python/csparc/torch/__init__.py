"""The objectives of csparc in PyTorch: every one as a function of tensors and as a module.

::

    from csparc.torch import SparcLoss, sparc_loss

    loss = sparc_loss(patches, tokens, text_mask=mask)      # in place of any loss in a loop
    loss.backward()

Names are those of `csparc`: ``clip_loss`` and ``ClipLoss`` for every objective in
`csparc.losses.LOSSES`, one's own included from the moment it is registered. docs/from-pytorch.md
says what to expect of masks, scales, devices, torch.compile and several processes.
"""

from __future__ import annotations

from typing import Any

from csparc._extras import require

require("torch", "torch")

from csparc.interop.calls import function_name  # noqa: E402
from csparc.losses.registry import LOSSES  # noqa: E402
from csparc.torch._functions import make_function  # noqa: E402
from csparc.torch._modules import Objective, make_module  # noqa: E402

_MADE: dict[Any, tuple[Any, Any]] = {}


def _of(cls: Any) -> tuple[Any, Any]:
    """Function and module of one objective, made once."""
    if cls not in _MADE:
        _MADE[cls] = make_function(cls), make_module(cls)
    return _MADE[cls]


def _names() -> dict[str, Any]:
    """Function or module class by name."""
    found: dict[str, Any] = {}
    for name, cls in LOSSES.items():
        function, module = _of(cls)
        found |= {function_name(name): function, cls.__name__: module}
    return found


def __getattr__(name: str) -> Any:
    found = _names()
    if name in found:
        return found[name]
    raise AttributeError(f"module 'csparc.torch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_names()})


# Those of csparc itself are plain names, as a compiler that reads this module needs them.
globals().update(_names())
__all__ = ["Objective", *_names()]
