"""Options given as text, ``key=value``, turned into the types something declares."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any


def parse_settings(
    flag: str, settings: Iterable[str], types_by_key: Mapping[str, Any], more: str = ""
) -> dict[str, Any]:
    """``key=value`` texts as a dict of values of the declared types.

    ``sigma=0.25``, ``causal=true``, ``sigma=none``. ``flag`` is named in errors; ``more`` says
    where the keys are explained.

    Raises
    ------
    ValueError
        An unknown key, or a value that is not of the declared type.
    """
    options = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in types_by_key:
            raise ValueError(
                f"{flag}: expected key=value with one of {', '.join(types_by_key) or 'no keys'}, "
                f"found {setting!r}{more}"
            )
        options[key] = parse_value(f"{flag} {key}", text, types_by_key[key])
    return options


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def parse_value(what: str, text: str, hint: Any) -> Any:
    """``text`` as the first of the declared types that takes it.

    Raises
    ------
    ValueError
        Naming ``what``: none of them does.
    """
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
    raise ValueError(f"{what}: expected {wanted}, found {text!r}")


def _alternatives(hint: Any) -> list[Any]:
    """Types, and the texts of a Literal, out of ``X | Y`` and ``Literal[...]``; None first."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [kind for part in typing.get_args(hint) for kind in _alternatives(part)]
        return sorted(kinds, key=lambda kind: kind is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [hint]


def takes(hint: Any, kind: type) -> bool:
    """Whether a declared type has ``kind`` among its alternatives."""
    return kind in _alternatives(hint)


def _kind_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
