"""What a loss holds beyond its inputs and gradients, from sizes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from csparc import _core
from csparc._scalars import choice, whole_number
from csparc.losses._groups import SAME_GROUP
from csparc.losses.costs import Sizes, Stage
from csparc.losses.registry import loss_class

OBJECTS = 2000
"""Bytes of Python's own objects of a call, and of aligning its arrays."""


def estimate_memory(
    loss: str,
    B: int,
    P: int,
    L: int,
    D: int,
    *,
    dtype: Any = np.float32,
    same_group: str | None = None,
    extra_texts: int = 0,
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
    extra_texts : int
        Captions without a picture, N of ``extra_text_global``.
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
        An unknown loss, or one that does not say what it holds (`csparc.losses.Loss.stages`); a
        size below 1; an option the loss does not have; extra texts where it takes none.
    """
    made = loss_class(loss)
    if whole_number(extra_texts, "extra_texts", low=0) > 0 and not made.takes_extra_texts:
        raise ValueError(
            f"extra_texts: expected 0 for {loss}, which takes none, found {extra_texts}"
        )
    sizes = {"B": B, "P": P, "L": L, "D": D}
    sizes = {name: whole_number(value, name, low=1) for name, value in sizes.items()}
    sizes["N"] = int(extra_texts)
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, found {kind}")
    positive = same_group is not None and choice(same_group, "same_group", SAME_GROUP) == 1
    known = [option.name for option in made.options()]
    for name in options:
        if name not in known:
            raise ValueError(f"{loss}: expected options among {known}, found {name!r}")
    stages = made(**options).stages(Sizes(**sizes), kind.itemsize)
    if stages is None:
        raise ValueError(f"{loss}: expected a loss that says what it holds, found no stages")
    return held_by(stages, {**sizes, "positive": int(positive)}, kind.itemsize) + OBJECTS


def held_by(stages: list[Stage], sizes: Mapping[str, int], itemsize: int) -> int:
    """Peak bytes of the stages of a loss: the core keeps each op's scratch for the next, and takes
    more only for a larger one."""
    kept: list[int] = []
    most = 0
    for stage in stages:
        scratch = 0
        if stage.op is not None:
            scratch = _core.scratch_bytes(stage.op, itemsize, {**sizes, **stage.sizes})
        if scratch > max(kept, default=0):
            kept.append(scratch)
        most = max(most, sum(kept) + stage.arrays)
    return most
