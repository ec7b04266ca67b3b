"""The losses a run can be trained with, by name, and their options given as text."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

LOSSES = {
    "sparc": "SparcLoss",
    "clip": "ClipLoss",
    "siglip": "SiglipLoss",
    "pacl": "PaclLoss",
    "filip": "FilipLoss",
    "clip+filip": "ClipFilipLoss",
}
"""Name on the command line, and in a loss's ``config()`` -> class in `csparc.losses`."""


def loss_class(name: str) -> type:
    """The class behind a name.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, found {name!r}")
    from csparc import losses

    return getattr(losses, LOSSES[name])


def make_loss(name: str, settings: Iterable[str] = ()) -> Any:
    """Make a loss from its name and settings ``key=value``.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    settings : iterable of str
        Keyword arguments of its class, each turned into the type the class declares:
        ``sigma=0.25``, ``normalizer=softmax``, ``detach_weights=true``, ``sigma=none``.

    Raises
    ------
    ValueError
        An unknown name or key, or a value that is not of the declared type.
    """
    made = loss_class(name)
    options = {}
    hints = typing.get_type_hints(made.__init__)
    known = [key for key in inspect.signature(made).parameters if key in hints]
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in known:
            raise ValueError(
                f"loss-opt: expected key=value with one of {', '.join(known)}, found {setting!r}"
            )
        options[key] = _parse(key, text, hints[key])
    return made(**options)


def loss_from_config(config: Mapping[str, Any]) -> Any:
    """The loss whose ``config()`` this is; a name that is not in the table gives None.

    Raises
    ------
    TypeError, ValueError
        Options its class does not take.
    """
    options = dict(config)
    name = options.pop("loss", None)
    return loss_class(name)(**options) if name in LOSSES else None


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _parse(key: str, text: str, hint: Any) -> Any:
    """``text`` as the first of the declared types that takes it."""
    kinds = _alternatives(hint)
    for kind in kinds:
        if kind is type(None) and text.lower() == "none":
            return None
        if kind is bool and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        if kind is str or kind == text:
            return text
    wanted = " or ".join("none" if kind is type(None) else _kind_name(kind) for kind in kinds)
    raise ValueError(f"loss-opt {key}: expected {wanted}, found {text!r}")


def _alternatives(hint: Any) -> list[Any]:
    """Types, and the texts of a Literal, out of ``X | Y`` and ``Literal[...]``; None first."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [kind for part in typing.get_args(hint) for kind in _alternatives(part)]
        return sorted(kinds, key=lambda kind: kind is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [hint]


def _kind_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
