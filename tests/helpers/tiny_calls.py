"""A valid call of any op of the core on tiny arrays, made from its signature alone.

An op whose sizes must fit each other in a way that the letters do not say has an entry in SIZES;
one whose arrays or numbers must hold something, in VALUES. Any other needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from csparc import _core
from csparc.data.scenes import scene

TYPES = {
    "i32": "i4", "i64": "i8", "u8": "u1", "pixel": "u1", "u16": "u2", "u32": "u4", "u64": "u8",
    "f32": "f4", "f64": "f8",
}  # fmt: skip
EACH = 4  # the size of a letter that has none below
RULES, PAIRS = scene._rules(scene.TIERS["M"], scene.SPLITS["train"])

# By the name of the op, without _forward and _backward.
SIZES: dict[str, dict[str, int]] = {
    "bf16_of_floats": {"K": 2, "M": 2},
    "bf16_of_bits": {"K": 2, "M": 2},
    "linear": {"W": 0},
    "linear_prepack": {"W": 0},
    "scene_draw": {"R": len(RULES), "M": len(PAIRS), "K": 3, "F": 14, "G": 7},
    "scene_render": {"F": 14, "G": 7},
    "attention": {"H": 2, "E": 2, "S": 2},
    "attention_pool": {"H": 2, "E": 2, "G": 1},
    "append": {"R": 2, "S": 6},
    "patchify": {"E": 12},
    "distinct_words": {"S": 2, "N": EACH * EACH},
    "words": {"S": 2, "U": 1},
}
FLOATS = {"patch_bits": None, "token_bits": None}
SETS = {"order": np.arange(EACH), "start": np.array([0, EACH])}
VALUES: dict[str, dict[str, Any]] = {
    "scene_draw": {"rules": RULES, "pairs": PAIRS},
    "attention": {"offsets": np.array([0, EACH], np.int32)},
    "patchify": {"size": 2},
    "resize": {"width": 2, "height": 2},
    "distinct_words": {**SETS, "token_bits": None},
    "words": {**SETS, **FLOATS, "row_start": np.array([0, 1]), "samples": EACH, "set_rows": 1},
    "sparc": FLOATS,
}

ARRAY = re.compile(r"([A-Z0-9]+)(?:/(\w+))?\??")


def words(op: str) -> Iterator[tuple[str, str]]:
    """Name and kind of every argument, as csparc/py/ops.def has them: "heads", "int[1,]"."""
    for word in _core.OPS[op].split():
        if word != "->":
            name, _, kind = word.partition(":")
            yield name, kind


def numbers(op: str) -> list[str]:
    """The arguments that are no arrays."""
    return [name for name, kind in words(op) if not ARRAY.fullmatch(kind)]


def number(kind: str) -> int | float:
    """The least whole number that a kind allows, or 0; a half for others."""
    if kind == "flag" or not kind.startswith("int"):
        return 0 if kind == "flag" else 0.5
    bound = re.match(r"int\[(-?\d+),", kind)
    return int(bound[1]) if bound else 0


def array(kind: str, sizes: dict[str, int], real: str) -> np.ndarray:
    match = ARRAY.fullmatch(kind)
    assert match is not None, kind
    axes, element = match.groups()
    shape = [int(axis) if axis.isdigit() else sizes.get(axis, EACH) for axis in axes]
    dtype = TYPES[element] if element else real
    values = np.ones if element in (None, "u8") else np.zeros
    return values(shape, dtype)


def tiny_call(op: str, real: str) -> dict[str, Any]:
    """Arguments by name, in order; ``real`` is the call's real type, "f4" or "f8"."""
    stem = op.removesuffix("_forward").removesuffix("_backward")
    held, sizes = VALUES.get(stem, {}), SIZES.get(stem, {})
    return {
        name: held[name] if name in held
        else array(kind, sizes, real) if ARRAY.fullmatch(kind) else number(kind)
        for name, kind in words(op)
    }  # fmt: skip
