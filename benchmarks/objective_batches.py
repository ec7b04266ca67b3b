"""The cases of bench_objectives, and the arguments each objective is called with, there and in
bench_largest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from peers import Outcome

import csparc
from csparc.losses import LOSSES, Sizes

SIDES = {"query": "HD", "key": "HD", "value": "HD", "out": "DH"}
ARRAYS = {
    "patches": "BPD",
    "tokens": "BLD",
    "image_global": "BD",
    "text_global": "BD",
    "prototypes": "KD",
    **{f"word_attention.{name}": axes for name, axes in SIDES.items()},
    **{f"patch_attention.{name}": axes for name, axes in SIDES.items()},
}  # fmt: skip
"""Axes of every array an objective may take; ``outer.inner`` is an entry of a dict."""
GLOBALS = ("image_global", "text_global")


@dataclass(frozen=True)
class AllSizes(Sizes):
    """Also H, the width of MGCA's attention, and K prototypes: as its class has them by default."""

    H: int = csparc.MgcaLoss().width
    K: int = csparc.MgcaLoss().prototypes


SIZES = AllSizes(B=0, P=196, L=55, D=512)
"""Without a batch."""


@dataclass(frozen=True)
class Objective:
    """One loss: which function, of which arrays and numbers, in the order the peers take them."""

    function: Callable[..., Any]
    loss: str
    """Its name in `csparc.losses.LOSSES`."""
    arrays: tuple[str, ...]
    scales: Mapping[str, float]


OBJECTIVES = {
    "clip": Objective(csparc.clip_loss, "clip", GLOBALS, {"logit_scale": 1 / 0.07}),
    "siglip": Objective(
        csparc.siglip_loss, "siglip", GLOBALS, {"logit_scale": 10, "logit_bias": -10}
    ),
    "pacl": Objective(
        csparc.pacl_loss, "pacl", ("patches", "text_global"),
        {"logit_scale": 1 / 0.07, "weight_scale": 1},
    ),
    "filip": Objective(
        csparc.filip_loss, "filip", ("patches", "tokens"), {"logit_scale": 1 / 0.07}
    ),
    "clip_filip": Objective(
        csparc.clip_filip_loss, "clip+filip", ("patches", "tokens", *GLOBALS),
        {"logit_scale": 1 / 0.07, "local_logit_scale": 1 / 0.07},
    ),
    "gloria": Objective(
        csparc.gloria_loss, "gloria", ("patches", "tokens", *GLOBALS),
        {"logit_scale": 10, "attention_scale": 4, "pool_scale": 5, "local_logit_scale": 10},
    ),
    "mgca": Objective(
        csparc.mgca_loss, "mgca", tuple(ARRAYS),
        {"logit_scale": 1 / 0.07, "local_logit_scale": 10, "prototype_scale": 5},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A batch of ``B`` pairs."""

    objective: str
    B: int
    goal: str
    repeats: int = 5


CASES = {
    "global": Case("clip", 16384, "2 x torch; 75 % of the peak; under 150 MB", repeats=3),
    "siglip": Case("siglip", 8192, "2 x torch"),
    "pacl": Case("pacl", 256, "3 x torch"),
    "filip": Case("filip", 192, "3 x torch"),
    "clip_filip": Case("clip_filip", 192, "3 x torch"),
    "gloria": Case("gloria", 64, "2 x torch"),
    "mgca": Case("mgca", 256, "1.5 x torch"),
}


def array_bytes(objective: Objective, sizes: AllSizes) -> int:
    """Of the arrays it is called with; their gradients take the same."""
    shapes = ([getattr(sizes, axis) for axis in ARRAYS[name]] for name in objective.arrays)
    return sum(4 * math.prod(shape) for shape in shapes)


def arguments(objective: Objective, sizes: AllSizes) -> dict[str, Any]:
    """Random arrays, all patches and tokens valid, and the scales, by name."""
    rng = np.random.default_rng(0)
    out: dict[str, Any] = {}
    for name in objective.arrays:
        shape = [getattr(sizes, axis) for axis in ARRAYS[name]]
        array = rng.standard_normal(shape, dtype=np.float32)
        if name == "prototypes":
            array /= np.linalg.norm(array, axis=1, keepdims=True)
        if "." in name:
            array /= np.float32(np.sqrt(shape[1]))  # as a layer starts out
        out[name] = array
    return out | dict(objective.scales)


def ours(objective: Objective, values: Mapping[str, Any]) -> Callable[[], Outcome]:
    """A call that writes the gradients of the large arrays to memory the caller has."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        outer, _, inner = name.partition(".")
        if inner:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[name] = value
    large = {name: x for name, x in nested.items() if isinstance(x, np.ndarray)}
    buffers = {name: np.zeros_like(x) for name, x in large.items()}
    for buffer in buffers.values():
        buffer.fill(0)  # touched, so that the pages are there

    def call() -> Outcome:
        out = objective.function(**nested, out_grads=buffers)
        return out.loss, out.grads

    return call


def flop(objective: Objective, sizes: Sizes) -> float:
    """Of value and gradients, matrix products alone, as `csparc cost` counts them."""
    return float(LOSSES[objective.loss]().flop(sizes))
