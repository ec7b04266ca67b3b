"""Work of one call of an op of the core: FLOP of its matrix products, bytes it must move.

FLOP are those the result needs: 2 for a multiplication and an addition, without padding, with what
a backward pass forms again because it was not kept. Bytes are those of every array given, once:
inputs are read, outputs written; what is added to is read as well. Each op that differs says so in
`WORK`; of an op that is not there, such as a loss, the core counts the FLOP while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc import _core
from csparc._repr import fields_line

Given = Mapping[str, Any]
"""Sizes of axes by letter and arguments by name, of one call."""


@dataclass(frozen=True)
class Argument:
    """An argument in the signature of an op: its axes, one entry each; None: no array."""

    name: str
    axes: str | None
    output: bool

    __repr__ = fields_line


@dataclass(frozen=True)
class Work:
    """What an op does. ``flop`` None: the core counts it."""

    flop: Callable[[Given], float] | None = None
    added_to: tuple[str, ...] = ()
    """Outputs that are read before they are written."""
    rows_of: tuple[str, str] | None = None
    """(table, rows): of the array ``table`` only as many rows are touched as ``rows`` has."""
    content: str = ""
    """The argument on whose content the FLOP depend, where shapes alone do not tell them."""

    __repr__ = fields_line


def arguments(op: str) -> list[Argument]:
    """The arguments of an op in their order, from its signature."""
    inputs, _, outputs = _core.OPS[op].partition("->")
    return [
        *(_argument(word, False) for word in inputs.split()),
        *(_argument(word, True) for word in outputs.split()),
    ]


def _argument(word: str, output: bool) -> Argument:
    name, _, kind = word.partition(":")
    axes = kind.rstrip("?").partition("/")[0]
    # `N3C` is axes; `int[0,]`, `real` and `flag` are numbers.
    is_array = all(one.isupper() or one.isdigit() for one in axes)
    return Argument(name, axes if is_array else None, output)


def given(op: Sequence[Argument], values: Sequence[Any]) -> dict[str, Any]:
    """Sizes by letter and arguments by name."""
    found: dict[str, Any] = {}
    for argument, value in zip(op, values):
        found[argument.name] = value
        if argument.axes is not None and value is not None:
            found.update((a, n) for a, n in zip(argument.axes, value.shape) if a.isupper())
    return found


def sizes(op: Sequence[Argument], found: Given) -> dict[str, int]:
    """Sizes by letter alone, in the order of the signature."""
    letters = dict.fromkeys(a for one in op for a in one.axes or "" if a.isupper())
    return {letter: found[letter] for letter in letters if letter in found}


def moved_bytes(op: str, parameters: Sequence[Argument], found: Given) -> int:
    """Bytes a call reads and writes at the least, nothing being in a cache."""
    work, total = WORK.get(op, Work()), 0
    for argument in parameters:
        value = found[argument.name]
        if argument.axes is None or value is None:
            continue
        nbytes = value.nbytes
        if work.rows_of is not None and argument.name == work.rows_of[0]:
            nbytes = nbytes // max(1, len(value)) * len(found[work.rows_of[1]])
        total += nbytes * (2 if argument.name in work.added_to else 1)
    return total


def _linear(g: Given) -> float:
    return 2 * g["N"] * g["K"] * g["M"]


def _linear_backward(g: Given) -> float:
    return _linear(g) * sum(g[name] is not None for name in ("dx", "dweight"))


def _seen_pairs(g: Given) -> float:
    """Pairs of a query and a key that it sees, all rows valid: of sequences, of the past, or of
    windows on grids (those at borders counted as whole, whatever they leave out)."""
    lengths = np.diff(g["offsets"]).astype(np.float64)
    if g["window"]:
        patches, registers = lengths - g["registers"], g["registers"]
        near = np.minimum(float(g["window"]) ** 2, patches)
        return float(patches @ (near + registers) + registers * lengths.sum())
    if g["causal"]:
        return float(lengths @ (lengths + 1)) / 2
    return float(lengths @ lengths)


def _attention(g: Given) -> float:
    return 4 * g["C"] * _seen_pairs(g)


def _attention_backward(g: Given) -> float:
    return 10 * g["C"] * _seen_pairs(g)  # the scores again, and two products for each of two


def _pool(g: Given) -> float:
    return 4 * g["B"] * g["Q"] * g["T"] * g["C"]


def _pool_backward(g: Given) -> float:
    return 10 * g["B"] * g["Q"] * g["T"] * g["C"]


def _conv(g: Given) -> float:
    return 18 * g["B"] * g["R"] * g["S"] * g["M"] * g["C"]


def _conv_backward(g: Given) -> float:
    return _conv(g) * sum(g[name] is not None for name in ("dx", "dweight"))


def _none(g: Given) -> float:
    return 0.0


_GRADIENTS = ("dweight", "dbias")
_LAYER = Work(_none)

WORK: dict[str, Work] = {
    "linear_forward": Work(_linear),
    "linear_backward": Work(_linear_backward, added_to=_GRADIENTS),
    "attention_forward": Work(_attention, content="offsets"),
    "attention_backward": Work(_attention_backward, content="offsets"),
    "attention_pool_forward": Work(_pool),
    "attention_pool_backward": Work(_pool_backward),
    "conv_forward": Work(_conv),
    "conv_backward": Work(_conv_backward, added_to=_GRADIENTS),
    "conv_planar_forward": Work(_conv),
    "conv_planar_backward": Work(_conv_backward, added_to=_GRADIENTS),
    "layernorm_forward": _LAYER,
    "layernorm_backward": Work(_none, added_to=_GRADIENTS),
    **{f"{kind}_{way}": _LAYER for kind in ("gelu", "quick_gelu", "gelu_tanh", "relu", "pool",
                                            "leading", "append", "patchify", "l2norm")
       for way in ("forward", "backward")},
    "append_backward": Work(_none, added_to=("drows",)),
    "embed_forward": Work(_none, rows_of=("weight", "ids")),
    "embed_backward": Work(_none, added_to=("dweight",), rows_of=("dweight", "ids")),
    "position_forward": _LAYER,
    "position_backward": Work(_none, added_to=("dposition",)),
    "add": _LAYER,
    "accumulate": Work(_none, added_to=("y",)),
    "adamw": Work(_none, added_to=("grad", "weight", "m", "v")),
    "sum_of_squares": _LAYER,
    "normalize": _LAYER,
    "resize": _LAYER,
    "scene_draw": _LAYER,
    "scene_render": _LAYER,
    "rng_bits": _LAYER,
}  # fmt: skip
"""The ops of encoders, optimiser and data by name."""

BF16_FLAGS = frozenset({"bf16", "rounded"})
"""Arguments that make products those of bfloat16."""
OPTIMISER = frozenset({"adamw", "sum_of_squares"})
DATA = frozenset({"normalize", "resize", "scene_draw", "scene_render", "rng_bits"})


def part_of(op: str) -> str:
    """Which part of a training step runs an op: "encoders", "loss", "optimiser" or "data"."""
    if op in OPTIMISER:
        return "optimiser"
    if op in DATA:
        return "data"
    return "encoders" if op in WORK else "loss"
