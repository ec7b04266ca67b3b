"""Texts that a caller gives, checked, and the pieces of messages."""

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


def show(value: object, limit: int = 80) -> str:
    """Quote a value for a one-line message: control characters escaped, long values cut."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def reason_of(error: BaseException) -> str:
    """The first line of an exception's message, or its type's name when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def duration(seconds: float) -> str:
    """58 s, 4 min 50 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
