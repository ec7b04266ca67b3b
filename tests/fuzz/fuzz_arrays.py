"""Losses called with arrays of any shape, type, layout and content: a result, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fuzz_calls import (
    AXES,
    FUNCTIONS,
    MASKS,
    PROJECTIONS,
    arrays_of,
    choices_of,
    outcome,
    parameters,
)
from layouts import unaligned

OTHER_TYPES = ("f2", ">f4", ">f8", "i4", "u1", "?", "c8", "O", "U4", "f16")
SPECIAL = (0.0, -0.0, 1e-12, 1e-320, np.nan, np.inf, -np.inf, 3e38, 1e300)
SIDES = np.array([0, 1, 1, 2, 2, 3, 3, 4, 5])


class Generator:
    def __init__(self, folder: Path) -> None:
        self.names = list(FUNCTIONS)

    def case(self, rng: np.random.Generator) -> str:
        name = self.names[rng.integers(len(self.names))]
        with_faults = rng.random() < 0.5
        sizes = {axis: int(SIDES[rng.integers(with_faults ^ 1, len(SIDES))]) for axis in "BPLDKHW"}
        dtype = ("f4", "f8")[rng.integers(2)]
        draw = Draw(rng, sizes, dtype, 0.06 if with_faults else 0.0)
        given = draw.call(name)
        return outcome(name, given, finite=draw.finite)


class Draw:
    """The arguments of one call; ``odd`` is how often each of them is one that may not fit."""

    def __init__(
        self, rng: np.random.Generator, sizes: dict[str, int], dtype: str, odd: float
    ) -> None:
        self.rng, self.sizes, self.dtype, self.odd = rng, sizes, dtype, odd
        self.finite = True
        """Whether every number is finite and of a length the losses promise to work with."""

    def call(self, name: str) -> dict[str, Any]:
        known = parameters(name)
        given: dict[str, Any] = {part: self.array(AXES[part]) for part in arrays_of(name)}
        for part, axes in MASKS.items():
            if part in known and self.rng.random() < 0.6:
                given[part] = self.mask(axes)
        if "word_ids" in known:
            given["word_ids"] = self.whole("BL", -1, 6)
        if "lacks" in known and self.rng.random() < 0.3:
            given["lacks"] = self.laid_out(self.rng.random(self.shape("BW")) < 0.5)
        if "groups" in known and self.rng.random() < 0.4:
            given["groups"] = self.whole("B", 0, 3)
        if "word_attention" in known:
            given |= self.projections()
        for part in known:
            choices = choices_of(name, part)
            if choices and part not in given and self.rng.random() < 0.5:
                given[part] = choices[self.rng.integers(len(choices))]
        self.poison(given)
        if "grad" in known:
            given["grad"] = bool(self.rng.random() < 0.8)
        return {part: value for part, value in given.items() if part in known}

    def poison(self, given: dict[str, Any]) -> None:
        """Put what is no number where a mask says that nothing is valid: it influences nothing."""
        for part, of in (("text_mask", "tokens"), ("patch_mask", "patches")):
            valid, array = np.asarray(given.get(part)), given.get(of)
            if valid.dtype != bool or not isinstance(array, np.ndarray) or self.rng.random() < 0.5:
                continue
            if valid.shape == array.shape[:-1] and array.dtype.kind == "f":
                given[of] = np.where(valid[..., None], array, array.dtype.type(np.nan))

    def chance(self) -> bool:
        return bool(self.rng.random() < self.odd)

    def shape(self, axes: str) -> tuple[int, ...]:
        shape = [self.sizes[axis] for axis in axes]
        if self.chance():
            shape[self.rng.integers(len(shape))] = int(self.rng.integers(6))
        if self.chance():
            shape = shape[1:] if self.rng.random() < 0.5 else [*shape, 1]
        return tuple(shape)

    def array(self, axes: str, long: bool = True) -> Any:
        """Rows of lengths from 1e-12 to 1e12, or about 1, or equal, with special values in some."""
        shape = self.shape(axes)
        values = self.rng.normal(size=shape)
        if shape and long:
            kind = self.rng.integers(4)
            if kind == 0:
                values /= np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-6)
                values *= 10.0 ** self.rng.integers(-12, 13, (*shape[:-1], 1)) * 0.99
            elif kind == 1:
                values[...] = values.flat[0] if values.size else 0
            elif kind == 2:
                values *= self.rng.random((*shape[:-1], 1)) < 0.7
        if values.size and self.chance():
            values.flat[self.rng.integers(values.size)] = self.rng.choice(SPECIAL)
            self.finite = False
        return self.laid_out(self.typed(values))

    def typed(self, values: np.ndarray) -> np.ndarray:
        if not self.chance():
            return values.astype(self.dtype)
        self.finite = False
        return values.astype(OTHER_TYPES[self.rng.integers(len(OTHER_TYPES))])

    def laid_out(self, array: np.ndarray) -> Any:
        """The same numbers in another layout, read-only, unaligned, or as lists."""
        kind = self.rng.integers(12)
        if kind == 0:
            return np.asfortranarray(array)
        if kind == 1 and array.ndim:
            return np.ascontiguousarray(array[::-1])[::-1]
        if kind == 2 and array.ndim:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if kind == 3:
            array.flags.writeable = False
        if kind == 4 and array.dtype.kind in "fiub":
            return unaligned(array)
        if kind == 5 and self.chance():
            return array.tolist()
        return array

    def mask(self, axes: str) -> Any:
        valid = self.rng.random(self.shape(axes)) < self.rng.choice([0.0, 0.5, 0.9, 1.0])
        kind = self.rng.integers(5)
        if kind == 0:
            return valid.astype(("i4", "u1", "f4", "i8")[self.rng.integers(4)])
        if kind == 1:
            highest = self.sizes[axes[1]] + 1 + int(self.chance())
            return self.rng.integers(-int(self.chance()), highest, self.sizes["B"])
        if self.chance():
            return valid * 2
        return self.laid_out(valid)

    def whole(self, axes: str, low: int, high: int) -> Any:
        array = self.rng.integers(low, high, self.shape(axes))
        if self.chance() and array.size:
            array.flat[0] = self.rng.choice([-(2**63), 2**63 - 1, 2**31, -7])
        if self.chance():
            return array.astype(("f4", "O", "u8", "?", "U2")[self.rng.integers(5)])
        return self.laid_out(array)

    def projections(self) -> dict[str, Any]:
        """For `mgca_loss`: of heads that divide the width of the projections, or do not."""
        if self.rng.random() < 0.3:
            return {"attention": "free"}
        heads = int(self.rng.integers(1, 4))
        if not self.chance():
            self.sizes["H"] = heads * max(1, self.sizes["H"])
        made = {
            part: {
                key: self.array(axes, long=False)
                for key, axes in PROJECTIONS.items()
                if "bias" not in key or self.rng.random() < 0.8
            }
            for part in ("word_attention", "patch_attention")
        }
        return {**made, "heads": heads, "attention": "mha"}
