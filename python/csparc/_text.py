"""Sentences that a caller gives, checked."""

from __future__ import annotations

from csparc._arrays import describe


def sentence(value: object, name: str) -> str:
    """``value``, a text of at least one word: of an empty one a model makes a vector, too, but it
    stands for nothing."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a text, found {describe(value)}")
    if not value.strip():
        raise ValueError(f"{name}: expected at least one word, found {value!r}")
    return value
