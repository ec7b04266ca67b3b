"""From whatever a caller holds to what the core reads: contiguous arrays and byte masks.

Rules, the same for every public function:

- float32 and float64 (any layout, byte order, alignment, read-only or not) keep their type;
  contiguous native ones are not copied. float16 and bfloat16 are read as float32; where a function
  says so, bfloat16 is handed on as it is. Integers are read as float64, as NumPy's own functions
  do.
- Arrays, nested sequences, and anything with ``__array__``, ``__dlpack__`` or the buffer protocol
  are accepted, as long as the data lies in the CPU's memory.
- Results are NumPy's, or with ``like=`` the arrays of another library (`csparc._like`).
- Every error names the argument, what was expected, and what was found.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc._text import reason_of, show

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
NATIVE = {dtype: dtype for dtype in FLOATS}
"""Types that are computed in as they are."""
BFLOAT16 = np.dtype([("bfloat16", np.uint16)])
"""Bits of bfloat16 that came without a type NumPy knows."""
OUTGROWS_CACHES = 2**18
"""Bytes of an array that is better written past the caches."""


def describe(value: object) -> str:
    """What was found, for an error message: an array by shape and type, anything else by class."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, (str, bool, int, float)) or value is None:
        return show(value, 200)
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")


# Arrays ------------------------------------------------------------------------------------------


def to_numpy(value: object, name: str) -> np.ndarray:
    """View ``value`` as an ndarray of any dtype, without a copy where its protocol allows it.

    bfloat16 of torch is widened to float32.
    """
    array = _view(value, name)
    return widened(array) if array.dtype == BFLOAT16 else array


def _view(value: object, name: str) -> np.ndarray:
    if type(value) is np.ndarray:
        return value
    if value is None:
        raise TypeError(f"{name}: expected an array, found None")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected a plain array, found a masked one: pass its .data, and which rows "
            "are valid as a mask"
        )
    if isinstance(value, np.ndarray):
        return value
    if type(value).__module__.partition(".")[0] == "torch":
        value = _torch_bfloat16(value)
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except Exception as error:
        raise TypeError(
            f"{name}: expected an array in CPU memory or a nested sequence of numbers, "
            f"found {describe(value)}, which cannot be read: {reason_of(error)}"
        ) from error


def _torch_bfloat16(tensor: Any) -> Any:
    """torch hands bfloat16 to nobody: take its bits."""
    torch = sys.modules.get("torch")
    if torch is None or getattr(tensor, "dtype", None) is not torch.bfloat16:
        return tensor
    if tensor.requires_grad or tensor.device.type != "cpu":
        return tensor
    return np.asarray(tensor.detach().view(torch.int16)).view(BFLOAT16)


def _is_bfloat16(dtype: np.dtype) -> bool:
    return dtype == BFLOAT16 or dtype.name == "bfloat16"


def widened(bfloat16: np.ndarray) -> np.ndarray:
    """As float32."""
    return (np.asarray(bfloat16).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def rounded(array: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, rounded to nearest, ties to even: bfloat16 as uint16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def real_dtype(dtype: np.dtype, name: str) -> np.dtype:
    """The type an array of ``dtype`` is computed in, and its gradient returned in."""
    native = NATIVE.get(dtype)
    if native is not None:
        return native
    if dtype.newbyteorder("=") in FLOATS:
        return dtype.newbyteorder("=")
    if dtype.newbyteorder("=") == np.float16 or _is_bfloat16(dtype):
        return np.dtype(np.float32)
    if dtype.kind in "iu":
        return np.dtype(np.float64)
    raise TypeError(
        f"{name}: expected real numbers (float32, float64, float16, bfloat16 or integers), "
        f"found dtype {dtype}"
    )


@dataclass(slots=True)
class RealInputs:
    """Array arguments of one call, by name."""

    arrays: dict[str, np.ndarray]
    """As the core reads them: contiguous, native, of one common type, or bits of bfloat16."""
    given: dict[str, np.ndarray]
    """As they lie in the caller's memory."""
    gradient_types: dict[str, np.dtype]
    """The type each one's gradient is to have."""
    dtype: np.dtype
    """The common type, which is computed in."""

    __repr__ = fields_line

    def real(self, name: str) -> np.ndarray | None:
        """The array of that name, None where there is none or it is bits."""
        array = self.arrays.get(name)
        return array if array is None or array.dtype == self.dtype else None

    def bits(self, name: str) -> np.ndarray | None:
        """The array of that name where it is bits of bfloat16, else None."""
        array = self.arrays.get(name)
        return None if array is None or array.dtype == self.dtype else array


def real_inputs(
    optional: tuple[str, ...] = (), as_bits: tuple[str, ...] = (), **values: object
) -> RealInputs:
    """Read arrays into one type: float64 if any of them is, else float32.

    Those named in ``optional`` may be None and are then left out. Those named in ``as_bits`` stay
    bfloat16 where they are, as uint16, unless the type is float64.
    """
    given, types = {}, {}
    for name, value in values.items():
        if value is None and name in optional:
            continue
        array = given[name] = _view(value, name)
        types[name] = real_dtype(array.dtype, name)
    distinct = set(types.values())
    common = distinct.pop() if len(distinct) == 1 else np.result_type(*distinct)
    arrays = {
        name: _as_core_reads(array, common, name in as_bits and common == np.float32)
        for name, array in given.items()
    }
    return RealInputs(arrays, given, types, common)


def _as_core_reads(array: np.ndarray, dtype: np.dtype, as_bits: bool) -> np.ndarray:
    """``array`` itself where it is plain, contiguous and aligned already."""
    if array.dtype not in NATIVE and _is_bfloat16(array.dtype):
        dtype = np.dtype(np.uint16) if as_bits else dtype
        array = np.asarray(array).view(np.uint16) if as_bits else widened(array)
    if type(array) is np.ndarray and array.dtype == dtype:
        flags = array.flags
        if flags.carray or (flags.c_contiguous and flags.aligned):
            return array
    return packed(array, dtype)


def packed(array: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """C-contiguous, aligned, of a native ``dtype``: a copy where ``array`` is not. NumPy's own
    ``ascontiguousarray`` leaves alone what is contiguous at an odd address."""
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])


def empty_lines(like: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of the shape of ``like``; one that outgrows the caches starts a line
    of them, as stores past them need."""
    line, size = 64, like.size * dtype.itemsize
    if size < OUTGROWS_CACHES:
        return np.empty(like.shape, dtype)
    room = np.empty(size + line, np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + size].view(dtype).reshape(like.shape)


def check_axes(arrays: dict[str, np.ndarray], axes: dict[str, str]) -> dict[str, int]:
    """Check each array against its axes ("BPD"); the sizes by letter.

    The first array to use a letter decides its size; an error names that array as well.
    """
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        letters, shape = axes[name], array.shape
        if len(shape) != len(letters):
            raise ValueError(
                f"{name}: expected {len(letters)} axes {_bracketed(letters)}, found shape {shape}"
            )
        for letter, size in zip(letters, shape):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(
                    f"{name}: expected {_bracketed(letters)} with {letter} = {sizes[letter]} as in "
                    f"{_owner(letter, arrays, axes)}, found shape {shape}"
                )
    if sizes.get("D") == 0:
        raise ValueError(
            f"{_owner('D', arrays, axes)}: expected vectors of at least one entry, found width 0"
        )
    return sizes


def _owner(letter: str, arrays: dict[str, np.ndarray], axes: dict[str, str]) -> str:
    return next(name for name in arrays if letter in axes[name])


def _bracketed(letters: str) -> str:
    return "[" + ", ".join(letters) + "]"


# Masks -------------------------------------------------------------------------------------------


def valid_mask(value: object, name: str, rows: int, columns: int) -> np.ndarray | None:
    """Bytes [rows, columns], 1 = valid, or None for None.

    Accepts bools, numbers that are 0 or 1, or one whole number per row: how many of its first
    entries are valid.
    """
    if value is None:
        return None
    mask = to_numpy(value, name)
    if mask.dtype.kind == "b" and mask.shape == (rows, columns):
        return (mask if mask.flags.c_contiguous else np.ascontiguousarray(mask)).view(np.uint8)
    accepted = (
        f"a [{rows}, {columns}] mask of bools or 0/1 (1 = valid), or {rows} lengths of at most "
        f"{columns}"
    )
    if mask.ndim == 1 and mask.shape == (rows,) and mask.dtype.kind in "iu":
        wrong = mask[(mask < 0) | (mask > columns)]
        if wrong.size:
            raise ValueError(f"{name}: expected {accepted}, found the length {wrong[0]}")
        lengths = mask.astype(np.int64)
        return (np.arange(columns) < lengths[:, None]).astype(np.uint8)
    if mask.shape != (rows, columns):
        raise ValueError(f"{name}: expected {accepted}, found {describe(mask)}")
    if mask.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected {accepted}, found dtype {mask.dtype}")
    if mask.dtype.kind != "b":
        wrong = mask[(mask != 0) & (mask != 1)]
        if wrong.size:
            raise ValueError(f"{name}: expected {accepted}, found the value {wrong.flat[0]}")
    return np.ascontiguousarray(mask, dtype=np.uint8)
