"""Objectives as functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from csparc.interop.calls import call_text, function_name, sorted_arguments
from csparc.losses.base import Loss
from csparc.torch._op import objective

DEVICES = (None, "copy")


def evaluate(
    loss: str,
    options: Mapping[str, Any],
    tensors: Mapping[str, Any],
    *,
    text_mask: Any = None,
    patch_mask: Any = None,
    groups: Any = None,
    same_group: str = "exclude",
    device: str | None = None,
) -> tuple[Tensor, Tensor]:
    """(loss, its parts and the share of weights kept) of a call whose arguments are sorted."""
    given = {name: _tensor(value) for name, value in tensors.items() if value is not None}
    arrays = [on_cpu(value, name, device) for name, value in given.items()]
    call = call_text(loss, options, list(given), same_group)
    grad = torch.is_grad_enabled() and any([array.requires_grad for array in arrays])
    out = objective(
        arrays,
        _array(text_mask, "text_mask", device),
        _array(patch_mask, "patch_mask", device),
        _array(groups, "groups", device),
        call,
        grad,
    )
    home = next(iter(given.values())).device
    return out[0].to(home), out[1].to(home)


def _tensor(value: Any) -> Tensor:
    """A number keeps its 64 bits: it decides no type."""
    if isinstance(value, Tensor):
        return value
    return torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None)


def _array(value: Any, name: str, device: str | None) -> Tensor | None:
    return None if value is None else on_cpu(torch.as_tensor(value), name, device)


def on_cpu(tensor: Tensor, name: str, device: str | None) -> Tensor:
    """The tensor in CPU memory.

    Raises
    ------
    ValueError
        It lies elsewhere and ``device`` is not ``"copy"``.
    """
    if device not in DEVICES:
        raise ValueError(f"device: expected 'copy' or None, found {device!r}")
    if tensor.device.type == "cpu":
        return tensor
    if device != "copy":
        raise ValueError(
            f"{name}: expected a tensor in CPU memory, found one on {tensor.device}: pass "
            "device='copy' to have it copied there, and its gradient copied back"
        )
    return tensor.to("cpu")


def make_function(cls: type[Loss]) -> Callable[..., Any]:
    """The function of one objective."""
    loss, inputs = cls.name, cls.inputs

    def function(
        *arrays: Any,
        text_mask: Any = None,
        patch_mask: Any = None,
        groups: Any = None,
        same_group: str = "exclude",
        device: str | None = None,
        return_parts: bool = False,
        **more: Any,
    ) -> Any:
        tensors, options = sorted_arguments(cls, arrays, more, Tensor)
        found, parts = evaluate(
            loss, options, tensors,
            text_mask=text_mask if "tokens" in inputs else None,
            patch_mask=patch_mask if "patches" in inputs else None,
            groups=groups, same_group=same_group, device=device,
        )  # fmt: skip
        return (found, named_parts(cls, parts)) if return_parts else found

    function.__name__ = function.__qualname__ = function_name(loss)
    function.__module__ = "csparc.torch"
    function.__doc__ = _FUNCTION.format(
        about=f"{cls.label} on tensors: a scalar that can be differentiated once.",
        inputs=", ".join(inputs),
        options=", ".join([option.name for option in cls.options()]) or "none",
        of=cls.__name__,
    )
    return function


def named_parts(cls: type[Loss], parts: Tensor) -> dict[str, Tensor]:
    """The parts by name, unweighted, and ``kept_fraction``."""
    return dict(zip([*[part.name for part in cls.parts], "kept_fraction"], parts.unbind()))


_FUNCTION = """{about}

    Parameters
    ----------
    {inputs} : Tensor
        As in the function of the same name in `csparc`, on the CPU: float32, float64, bfloat16,
        float16, of any layout, without a copy where that makes none. ``image_features`` and
        ``text_features``, as open_clip calls them, are taken for the global vectors.
    text_mask, patch_mask : Tensor or list, optional
        True = valid: bools, 0/1, or lengths [B].
    logit_scale : float or scalar Tensor, optional
        The number that multiplies the similarities, not its logarithm. What an objective learns
        beside it may be given as tensors too, under its argument's name.
    groups, same_group
        Ids [B] of pairs that show or say the same, as in `csparc.clip_loss`.
    extra_text_global : Tensor, optional
        Vectors [N, D] of captions without a picture, negatives of every picture, as in
        `csparc.clip_loss`; refused by objectives without a part that contrasts whole captions.
    device : {{None, "copy"}}
        What to do with tensors on another device: refuse, or copy them to the CPU, and the loss
        and the gradients back.
    return_parts : bool
        Return (loss, parts by name) instead of the loss; parts carry no gradient.
    **options
        Those of `csparc.{of}`: {options}.

    Returns
    -------
    Tensor
        A scalar: float64 where an array has 64 bits, else float32, under autocast too.

    Raises
    ------
    ValueError, TypeError
        As in `csparc`, and for tensors on another device. RuntimeError: a second derivative.
    """
