"""No size of an axis wraps around, ends the process or is looped over without end."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from tiny_calls import ARRAY, EACH, TYPES, number, words

import csparc
from csparc import _core

HUGE = (2**27, 2**31, 2**60)
MEASURED = [
    op for op in _core.OPS
    if not any(kind.endswith("/i32") for _, kind in words(op)) and ":N -> y:N" not in _core.OPS[op]
]  # fmt: skip


def letters(op: str) -> list[str]:
    axes = "".join(m[1] for _, kind in words(op) if (m := ARRAY.fullmatch(kind)))
    return sorted(set(re.sub(r"\d", "", axes)))


def call_of_sizes(op: str, sizes: dict[str, int]) -> list[object] | None:
    """Arguments of these sizes; None where an array would take memory."""
    arguments: list[object] = []
    for _, kind in words(op):
        match = ARRAY.fullmatch(kind)
        if match is None:
            arguments.append(number(kind))
            continue
        shape = [int(axis) if axis.isdigit() else sizes.get(axis, EACH) for axis in match[1]]
        if max(shape) in HUGE and min(shape) > 0:
            if not kind.endswith("?"):
                return None
            arguments.append(None)
            continue
        arguments.append(np.zeros(shape, TYPES[match[2]] if match[2] else "f4"))
    return arguments


@pytest.mark.parametrize("op", _core.OPS)
def test_arrays_without_entries_are_not_looped_over(op: str) -> None:
    """One axis is empty, another so long that no array with entries could have it."""
    for empty, long in itertools.permutations(letters(op), 2):
        for huge in HUGE:
            try:
                arguments = call_of_sizes(op, {empty: 0, long: huge})
            except ValueError:  # more than NumPy makes arrays of
                continue
            if arguments is None or not any(
                huge in argument.shape for argument in arguments if isinstance(argument, np.ndarray)
            ):
                continue
            with pytest.raises((ValueError, MemoryError)):
                getattr(_core, op)(*arguments)


@pytest.mark.parametrize("op", MEASURED)
def test_scratch_of_any_size_is_measured_or_refused(op: str) -> None:
    """A larger batch never takes less, as it would if a size wrapped around; or nothing at all,
    where an op does without, or refuses the sizes."""
    for itemsize in (4, 8):
        before = 0
        for power in (2, 8, 15, 16, 20, 21, 30, 31, 32, 40, 60, 62, 63):
            sizes = dict.fromkeys(letters(op), 2**power - 1)
            try:
                scratch = _core.scratch_bytes(op, itemsize, sizes)
            except MemoryError:
                scratch = 2**64
            assert scratch == 0 or scratch >= before, (itemsize, power)
            before = max(before, scratch)


@pytest.mark.parametrize("op", MEASURED)
def test_scratch_of_one_long_axis_is_measured_or_refused(op: str) -> None:
    for long in letters(op):
        before = 0
        for power in (4, 20, 40, 58, 60, 62, 63):
            sizes = {**dict.fromkeys(letters(op), 3), long: 2**power - 1}
            try:
                scratch = _core.scratch_bytes(op, 4, sizes)
            except MemoryError:
                scratch = 2**64
            assert scratch == 0 or scratch >= before, (long, power)
            before = max(before, scratch)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (csparc.sparc_loss, (1, 0, 2**60)),
        (csparc.filip_loss, (2**60, 0, 1)),
        (csparc.filip_loss, (1, 0, 2**58)),
        (csparc.filip_loss, (1, 0, 2**60)),
    ],
)
def test_a_loss_refuses_such_arrays(loss, shape: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, MemoryError), match="patches"):
        loss(np.empty(shape, "f4"), np.empty(shape, "f4"), grad=True)


def test_a_sum_that_wraps_is_seen() -> None:
    sizes = {"B": 2**40, "P": 2**20, "L": 2**20, "D": 2**40}
    with pytest.raises(MemoryError, match="scratch_bytes"):
        _core.scratch_bytes("filip", 4, sizes)
