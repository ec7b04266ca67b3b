"""Where gradients are written: the caller's buffers where they fit, new arrays elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from csparc._arrays import RealInputs, describe, empty_lines
from csparc._scalars import flag


def _wanted(shape: tuple[int, ...], dtype: np.dtype) -> str:
    return f"a writable array of shape {shape} and dtype {dtype}"


def _label(name: str) -> str:
    return f"out_grads[{name!r}]"


def _shared(name: str, other: str) -> ValueError:
    return ValueError(f"{_label(name)}: expected memory of its own, found it shares {other}'s")


def _overlaps_itself(array: np.ndarray) -> bool:
    """Whether two entries may lie in the same memory: a row does not end before the next begins."""
    lines = sorted((abs(s), n) for s, n in zip(array.strides, array.shape) if n > 1)
    reach = array.itemsize
    for stride, size in lines if array.size > 0 else []:
        if stride < reach:
            return True
        reach += stride * (size - 1)
    return False


class GradientBuffers:
    """One buffer per array argument named, in the type the core computes in.

    ``out`` are the caller's buffers by argument name: used as they are where they fit the core,
    copied to at the end where not.
    """

    def __init__(
        self, inputs: RealInputs, names: list[str], out: Mapping[str, np.ndarray] | None
    ) -> None:
        self._types = inputs.gradient_types
        self._out: dict[str, np.ndarray] = {}
        if out is not None:
            self._take(names, out, inputs)
        arrays, dtype = inputs.arrays, inputs.dtype
        self._buffers = {name: self._buffer(name, arrays[name], dtype) for name in names}

    @classmethod
    def asked(
        cls, inputs: RealInputs, grad: bool, out: Mapping[str, np.ndarray] | None
    ) -> GradientBuffers:
        """Buffers for all arrays where gradients are asked for; else none, which is false."""
        wanted = flag(grad, "grad") or out is not None
        return cls(inputs, list(inputs.arrays) if wanted else [], out)

    def __bool__(self) -> bool:
        return bool(self._buffers)

    def _take(self, names: list[str], out: Mapping[str, np.ndarray], inputs: RealInputs) -> None:
        if type(out) is not dict and not isinstance(out, Mapping):
            raise TypeError(
                f"out_grads: expected arrays by argument name ({', '.join(names)}), "
                f"found {describe(out)}"
            )
        self._out = dict(out)
        later = list(self._out.items())
        for name, buffer in self._out.items():
            del later[0]
            if name not in names:
                raise ValueError(
                    f"out_grads: expected names among the arrays given ({', '.join(names)}), "
                    f"found {name!r}"
                )
            self._check(name, buffer, inputs, later)

    def _check(
        self, name: str, buffer: object, inputs: RealInputs, later: list[tuple[str, object]]
    ) -> None:
        """Of the buffers, only ``later`` ones are left to compare with."""
        shape, dtype = inputs.arrays[name].shape, self._types[name]
        array = isinstance(buffer, np.ndarray)
        if not array or buffer.shape != shape or buffer.dtype != dtype:
            error = ValueError if array else TypeError
            raise error(
                f"{_label(name)}: expected {_wanted(shape, dtype)}, found {describe(buffer)}"
            )
        if not buffer.flags.writeable:
            raise ValueError(
                f"{_label(name)}: expected {_wanted(shape, dtype)}, found a read-only one"
            )
        if _overlaps_itself(buffer):
            raise ValueError(
                f"{_label(name)}: expected {_wanted(shape, dtype)}, found one whose entries share "
                f"memory (strides {buffer.strides}): give an array of its own, not a broadcast one"
            )
        for other, given in inputs.given.items():
            if np.may_share_memory(buffer, given):
                raise _shared(name, other)
        for other, given in later:
            if isinstance(given, np.ndarray) and np.may_share_memory(buffer, given):
                raise _shared(name, _label(other))

    def _buffer(self, name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
        given = self._out.get(name)
        if given is not None and given.dtype == dtype and given.flags.carray:
            return given
        return empty_lines(array, dtype)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._buffers[name]

    def get(self, name: str) -> np.ndarray | None:
        """The buffer, None where gradients of ``name`` are not asked for."""
        return self._buffers.get(name)

    def finished(self, **others: Any) -> dict[str, Any]:
        """The gradients by argument name: the caller's buffers filled, others in their own type.

        With those of ``others``, scales and the like; nothing where none were asked for.
        """
        grads: dict[str, Any] = {}
        for name, buffer in self._buffers.items():
            given = self._out.get(name)
            if given is None:
                wanted = self._types[name]
                grads[name] = buffer if buffer.dtype == wanted else buffer.astype(wanted)
                continue
            if given is not buffer:
                np.copyto(given, buffer, casting="same_kind")
            grads[name] = given
        return {**grads, **others} if grads else {}
