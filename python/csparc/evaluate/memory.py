"""What a loss holds beyond its inputs and gradients, from sizes alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc import _core
from csparc._arrays import whole_number
from csparc.losses import SparcLoss


@dataclass(frozen=True)
class Stage:
    """One op of a loss, and what the loss holds in NumPy arrays while it runs."""

    op: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    arrays: int = 0
    """Bytes, inputs and gradients left out."""


def estimate_memory(
    loss: str, B: int, P: int, L: int, D: int, *, dtype: Any = np.float32, **options: Any
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
    options
        Those that change it: ``precision`` of SPARC; ``keep`` and ``drop_group`` of FILIP;
        ``prototypes``, ``width`` and ``heads`` of MGCA.

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
    try:
        stages = STAGES[loss](**sizes, itemsize=kind.itemsize, **options)
    except TypeError as error:
        raise ValueError(f"{loss}: {error}") from error
    return _peak(stages, sizes, kind.itemsize)


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


# One function per loss: its ops in the order they run (csparc/losses has each call).


def _clip(B: int, P: int, L: int, D: int, itemsize: int) -> list[Stage]:
    return [Stage("contrastive")]


def _siglip(B: int, P: int, L: int, D: int, itemsize: int) -> list[Stage]:
    return [Stage("siglip")]


def _sparc(B: int, P: int, L: int, D: int, itemsize: int, precision: str = "fp32") -> list[Stage]:
    return [Stage("sparc", {"rounded": int(SparcLoss(precision=precision).precision == "bf16")})]


def _filip(
    B: int, P: int, L: int, D: int, itemsize: int, keep: float = 0.2, drop_group: int = 64
) -> list[Stage]:
    """Which patches and tokens are keys: a byte each."""
    chosen = {
        "patch_count": math.ceil(keep * P), "token_count": math.ceil(keep * L), "group": drop_group
    }  # fmt: skip
    masks = B * (P + L)
    return [Stage("filip_select", chosen, masks), Stage("filip", arrays=masks)]


def _clip_filip(B: int, P: int, L: int, D: int, itemsize: int, **options: Any) -> list[Stage]:
    local = _filip(B, P, L, D, itemsize, **options)
    return [*local, Stage("contrastive", arrays=local[-1].arrays)]


def _pacl(B: int, P: int, L: int, D: int, itemsize: int) -> list[Stage]:
    return [Stage("pacl")]


def _gloria(B: int, P: int, L: int, D: int, itemsize: int) -> list[Stage]:
    return [Stage("contrastive"), Stage("gloria")]


def _mgca(
    B: int, P: int, L: int, D: int, itemsize: int,
    prototypes: int = 500, width: int = 128, heads: int = 1,
) -> list[Stage]:  # fmt: skip
    """Projections of both directions, stacked, with their gradients; then targets of both sides
    and the prototypes' share of the gradients of the global vectors."""
    attention = {"H": width, "K": width, "heads": heads}
    stacked = 2 * (3 + 4) * width * D * itemsize
    assigned = 2 * B * (prototypes + D) * itemsize
    return [
        Stage("contrastive", arrays=stacked),
        Stage("mgca_tokens", attention, stacked),
        Stage("mgca_prototypes", {"K": prototypes}, stacked + assigned),
    ]


STAGES: dict[str, Callable[..., list[Stage]]] = {
    "sparc": _sparc,
    "clip": _clip,
    "siglip": _siglip,
    "pacl": _pacl,
    "filip": _filip,
    "clip+filip": _clip_filip,
    "gloria": _gloria,
    "mgca": _mgca,
}
