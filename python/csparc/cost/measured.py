"""Arithmetic and memory of a loss as they are when it runs: counted, not estimated."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc import _core, _random
from csparc._repr import fields_line
from csparc.losses.registry import make_loss
from csparc.losses.word_part import MOST_WORDS


@dataclass(frozen=True)
class Measured:
    """One call of a loss with gradients."""

    flop: int
    """2MNK of every matrix product of the core."""
    bytes: int
    """Peak beyond inputs and gradients: scratch of the core and temporary arrays."""
    seconds: float

    __repr__ = fields_line


def measure_loss(
    loss: str,
    B: int,
    P: int,
    L: int,
    D: int,
    *,
    options: Sequence[str] = (),
    same_group: str | None = None,
    extra_texts: int = 0,
    dtype: Any = np.float32,
    seed: int = 0,
) -> Measured:
    """Run a loss once on random vectors, all patches and tokens valid, and count.

    ``options`` are settings ``key=value`` of the loss. With ``same_group`` each two consecutive
    pairs are a group. ``extra_texts`` is N of ``extra_text_global``. Costs one step of the loss,
    and as much memory as its inputs and gradients.
    """
    shapes = {
        "patches": (B, P, D), "tokens": (B, L, D), "image_global": (B, D), "text_global": (B, D),
        "extra_text_global": (extra_texts, D),
    }  # fmt: skip
    made = make_loss(loss, options)
    inputs = {
        name: _random.normal(seed, stream, math.prod(shapes[name]))
        .astype(dtype)
        .reshape(shapes[name])
        for stream, name in enumerate((*made.features, *["extra_text_global"] * (extra_texts > 0)))
    }
    if made.reads_words:
        inputs["word_ids"] = np.arange(B * L).reshape(B, L) % MOST_WORDS
    marked = {}
    if same_group is not None:
        marked = {"groups": np.arange(B, dtype=np.int64) // 2, "same_group": same_group}
    _prepare(made, {**inputs, **marked})
    _core.scratch_peak()
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    _core.count_flop(True)
    start = time.perf_counter()
    try:
        out = made(**inputs, **marked, grad=True)
    finally:
        seconds = time.perf_counter() - start
        flop = _core.count_flop(False)
        arrays = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    scratch = _core.scratch_peak()
    return Measured(flop, scratch + arrays - _gradient_bytes(out.grads), seconds)


def _prepare(made: Any, given: Mapping[str, Any]) -> None:
    """Two pairs, so that what comes to be on the first call is there before the measurement: arrays
    of a width the loss learns, modules that Python imports late."""
    made(**{k: v[:2] if isinstance(v, np.ndarray) else v for k, v in given.items()}, grad=True)


def _gradient_bytes(grads: Mapping[str, Any]) -> int:
    total = 0
    for gradient in grads.values():
        if isinstance(gradient, Mapping):
            total += _gradient_bytes(gradient)
        else:
            total += getattr(gradient, "nbytes", 0)
    return total


def exponent(batches: Sequence[int], excess: Sequence[float]) -> float:
    """Power of B that ``excess`` grows with: slope of the line through their logarithms; NaN with
    fewer than two points, or where the excess is not above 0."""
    if len(set(batches)) < 2 or min(excess) <= 0:
        return math.nan
    return float(np.polyfit(np.log(batches), np.log(excess), 1)[0])
