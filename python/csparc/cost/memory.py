"""What a loss holds beyond its inputs and gradients, from sizes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc import _core
from csparc._scalars import choice, whole_number
from csparc.losses._groups import SAME_GROUP
from csparc.losses.filip import kept_count
from csparc.losses.options import options_of
from csparc.losses.registry import loss_class

OBJECTS = 1200
"""Bytes of Python's own objects of a call, and of aligning its arrays."""


@dataclass(frozen=True)
class Stage:
    """One op of a loss, and what the loss holds in NumPy arrays while it runs."""

    op: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    arrays: int = 0
    """Bytes, inputs and gradients left out."""


def estimate_memory(
    loss: str,
    B: int,
    P: int,
    L: int,
    D: int,
    *,
    dtype: Any = np.float32,
    same_group: str | None = None,
    **options: Any,
) -> int:
    """Peak bytes of one call with gradients, beyond its inputs and its gradients.

    Parameters
    ----------
    loss : str
        A name of ``csparc train --loss``: ``"sparc"``, ``"clip"``, ``"filip"``, ...
    B, P, L, D : int
        Pairs, patches of an image, tokens of a caption, shared width.
    dtype
        float32 or float64.
    same_group : {"exclude", "positive"}, optional
        As passed to the loss, with ``groups`` that mark some pairs. None: no groups.
    options
        Of the loss, as its class takes them: ``precision`` of SPARC; ``keep``, ``drop`` and
        ``drop_group`` of FILIP; ``prototypes``, ``width``, ``heads`` and ``attention`` of MGCA.
        The others change nothing.

    Returns
    -------
    int
        Scratch of the core, which asks the same functions that lay it out, and temporary arrays.
        For the number of threads that is set: each holds its own tiles. Of SPARC with its global
        vectors given; means in their place take four arrays [B, D] more. What the matrix library
        packs is not counted: about 4 MB a thread, kept by the process.

    Raises
    ------
    ValueError
        An unknown loss, a size below 1, an option the loss does not have.
    """
    if loss not in STAGES:
        raise ValueError(f"loss: expected one of {', '.join(STAGES)}, found {loss!r}")
    sizes = {"B": B, "P": P, "L": L, "D": D}
    sizes = {name: whole_number(value, name, low=1) for name, value in sizes.items()}
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, found {kind}")
    positive = same_group is not None and choice(same_group, "same_group", SAME_GROUP) == 1
    known = [option.name for option in options_of(loss)]
    for name in options:
        if name not in known:
            raise ValueError(f"{loss}: expected options among {known}, found {name!r}")
    chosen = loss_class(loss)(**options).config()
    stages = STAGES[loss](Call(**sizes, itemsize=kind.itemsize, options=chosen))
    return _peak(stages, {**sizes, "positive": int(positive)}, kind.itemsize) + OBJECTS


def _peak(stages: list[Stage], sizes: Mapping[str, int], itemsize: int) -> int:
    """The core keeps each op's scratch for the next, and takes more only for a larger one."""
    kept: list[int] = []
    most = 0
    for stage in stages:
        scratch = _core.scratch_bytes(stage.op, itemsize, {**sizes, **stage.sizes})
        if scratch > max(kept, default=0):
            kept.append(scratch)
        most = max(most, sum(kept) + stage.arrays)
    return most


@dataclass(frozen=True)
class Call:
    """What is asked about: sizes, bytes of a number, all options of the loss."""

    B: int
    P: int
    L: int
    D: int
    itemsize: int
    options: Mapping[str, Any]


# One function per loss: its ops in the order they run (csparc/losses has each call).


def _clip(call: Call) -> list[Stage]:
    return [Stage("contrastive")]


def _siglip(call: Call) -> list[Stage]:
    return [Stage("siglip")]


def _sparc(call: Call) -> list[Stage]:
    return [Stage("sparc", {"rounded": int(call.options["precision"] == "bf16")})]


def _filip(call: Call) -> list[Stage]:
    """Which patches and tokens are keys: a byte each."""
    keep = call.options["keep"]
    if call.options["drop"] == "none":
        return [Stage("filip")]
    chosen = {
        "patch_count": kept_count(keep, call.P),
        "token_count": kept_count(keep, call.L),
        "group": call.options["drop_group"],
    }
    masks = call.B * (call.P + call.L)
    return [Stage("filip_select", chosen, masks), Stage("filip", arrays=masks)]


def _clip_filip(call: Call) -> list[Stage]:
    local = _filip(call)
    return [*local, Stage("contrastive", arrays=local[-1].arrays)]


def _pacl(call: Call) -> list[Stage]:
    return [Stage("pacl")]


def _gloria(call: Call) -> list[Stage]:
    return [Stage("contrastive"), Stage("gloria")]


def _mgca(call: Call) -> list[Stage]:
    """Projections of both directions, stacked, with their gradients; then targets of both sides
    and the prototypes' share of the gradients of the global vectors. What is learned is float32:
    in float64 it is held converted, and so are its gradients until the end."""
    options, item = call.options, call.itemsize
    width = options["width"] if options["attention"] == "mha" else 0
    matrix, prototypes = width * call.D, options["prototypes"] * call.D
    held = 2 * (3 + 4) * matrix * item
    returned = 2 * 4 * matrix * 4  # formed last, and counted as gradients
    if item > 4:
        held += 2 * (matrix + prototypes) * item
        returned += prototypes * 4
    assigned = 2 * call.B * (options["prototypes"] + call.D) * item
    attention = {"H": width, "K": width, "heads": options["heads"]}
    return [
        Stage("contrastive", arrays=held - returned),
        Stage("mgca_tokens", attention, held - returned),
        Stage("mgca_prototypes", {"K": options["prototypes"]}, held + max(0, assigned - returned)),
    ]


STAGES: dict[str, Callable[[Call], list[Stage]]] = {
    "sparc": _sparc,
    "clip": _clip,
    "siglip": _siglip,
    "pacl": _pacl,
    "filip": _filip,
    "clip+filip": _clip_filip,
    "gloria": _gloria,
    "mgca": _mgca,
}
