"""Damage to bytes and to JSON values: what the generators of files share."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np

HUGE = (
    b"0", b"-1", b"-0", b"7", b"4294967295", b"9223372036854775808", b"18446744073709551616",
    b"-9223372036854775809", b"1e999", b"1e-999", b"0.5", b"9" * 400, b"NaN", b"Infinity",
)  # fmt: skip
WORDS = (
    b"\0", b"\n", b"\r", b'"', b'""', b",", b"\t", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\xe2\x80\xae", b"\xf4\x8f\xbf\xbf", b"\\ud800", b"../", b"/", b"{", b"}", b"[", b"]", b":",
    b"null", b"true", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0\0\0\x80", b" " * 600,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**300, 0.5, -0.0,
    1e308, float("nan"), float("inf"), "", "x", "\0", "\ud800", "../a.png", "F64", "x" * 5000,
    [], [[]], [0, 0], [1, 2, 3], {}, {"": {}}, {"x": [None]},
)  # fmt: skip
NUMBER = re.compile(rb"\d+")


def damaged(content: bytes, rng: np.random.Generator, most: int = 4, within: int = 0) -> bytes:
    """One to ``most`` changes, all in the first ``within`` bytes (0: anywhere)."""
    for _ in range(rng.integers(1, most + 1)):
        content = _damage(content, rng, within or len(content))
    return content


def _damage(content: bytes, rng: np.random.Generator, within: int) -> bytes:
    """Bits turned, bytes replaced, put in, cut out, doubled or moved, or a number changed."""
    changed = bytearray(content)
    at, other = (int(rng.integers(0, max(1, min(within, len(content))))) for _ in range(2))
    length = int(2 ** rng.integers(0, 9 if rng.random() < 0.3 else 4))
    part = changed[at : at + length]
    kind = rng.integers(8)
    if kind == 0 and part:
        changed[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        changed[at : at + length] = rng.bytes(len(part))
    elif kind == 2:
        changed[at:at] = WORDS[rng.integers(len(WORDS))]
    elif kind == 3:
        del changed[at : at + length]
    elif kind == 4:
        changed[at:at] = part * int(2 ** rng.integers(0, 7))
    elif kind == 5:
        changed[other:other] = part
    elif kind == 6 and rng.random() < 0.3:
        del changed[at:]
    elif found := NUMBER.search(content, at, at + 400):
        changed[found.start() : found.end()] = HUGE[rng.integers(len(HUGE))]
    return bytes(changed)


def altered(value: Any, rng: np.random.Generator) -> Any:
    """A copy of a JSON value in which one entry, at any depth, is replaced, removed or renamed."""
    value = copy.deepcopy(value)
    holder: Any = value
    while isinstance(holder, (dict, list)) and holder:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[rng.integers(len(keys))]
        if rng.random() < 0.6 and isinstance(holder[key], (dict, list)) and holder[key]:
            holder = holder[key]
            continue
        _alter(holder, key, rng)
        break
    return value


def _alter(holder: Any, key: Any, rng: np.random.Generator) -> None:
    kind = rng.integers(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif kind == 2 and type(holder[key]) in (int, float):
        holder[key] += (1, -1, 8, 2**40)[rng.integers(4)]
    elif kind == 3 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = VALUES[rng.integers(len(VALUES))]


def complaint(error: Exception) -> str | None:
    """What is wrong with the text of an error of csparc's own."""
    text = str(error)
    if len(text.splitlines()) != 1 or not text.isprintable() or len(text) >= 1500:
        return f"{type(error).__name__}: expected one line that can be printed, found {text!r}"
    return None
