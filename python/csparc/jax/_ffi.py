"""XLA's foreign function interface: a call of an objective on XLA's own buffers, without a copy.

XLA hands a C function one structure with pointers to arguments, results and attributes
(xla/ffi/api/c_api.h in jaxlib). Python's ctypes makes such a function, and reads the structure. The
fields read here have had their places since version 0.0 of that interface; it grows at the ends of
its structures, whose sizes it writes down.
"""

from __future__ import annotations

import ctypes as c
import mmap
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from csparc._arrays import BFLOAT16

TARGET = "csparc_objective"
EXECUTE, METADATA, INVALID_ARGUMENT = 3, 1, 3
DTYPES = {
    1: np.dtype(np.bool_), 2: np.dtype(np.int8), 3: np.dtype(np.int16), 4: np.dtype(np.int32),
    5: np.dtype(np.int64), 6: np.dtype(np.uint8), 7: np.dtype(np.uint16), 8: np.dtype(np.uint32),
    9: np.dtype(np.uint64), 10: np.dtype(np.float16), 11: np.dtype(np.float32),
    12: np.dtype(np.float64), 16: BFLOAT16,
}  # fmt: skip
"""XLA's numbers of types -> those of NumPy."""
HEAD = [("struct_size", c.c_size_t), ("extension_start", c.c_void_p)]


def _struct(name: str, *own: tuple[str, Any], head: bool = True) -> Any:
    return type(name, (c.Structure,), {"_fields_": [*(HEAD if head else []), *own]})


_Buffer = _struct(
    "Buffer", ("dtype", c.c_int), ("data", c.c_void_p), ("rank", c.c_int64),
    ("dims", c.POINTER(c.c_int64)),
)  # fmt: skip
_Span = _struct("Span", ("ptr", c.c_void_p), ("len", c.c_size_t), head=False)
_Several = _struct(
    "Several", ("size", c.c_int64), ("types", c.POINTER(c.c_int)),
    ("items", c.POINTER(c.POINTER(_Buffer))),
)  # fmt: skip
_Attributes = _struct(
    "Attributes", ("size", c.c_int64), ("types", c.POINTER(c.c_int)),
    ("names", c.POINTER(c.POINTER(_Span))), ("items", c.POINTER(c.POINTER(_Span))),
)  # fmt: skip
_Version = _struct("Version", ("major", c.c_int), ("minor", c.c_int))
_Api = _struct("Api", ("version", _Version), ("internal", c.c_void_p), ("error", c.c_void_p))
_Frame = _struct(
    "Frame", ("api", c.POINTER(_Api)), ("context", c.c_void_p), ("stage", c.c_int),
    ("arguments", _Several), ("results", _Several), ("attributes", _Attributes),
)  # fmt: skip
_Extension = _struct(
    "Extension", ("struct_size", c.c_size_t), ("type", c.c_int), ("next", c.c_void_p),
    ("metadata", c.c_void_p), head=False,
)  # fmt: skip
_Metadata = _struct(
    "Metadata", ("struct_size", c.c_size_t), ("version", _Version), ("traits", c.c_uint32),
    ("state_type", c.c_int64), head=False,
)  # fmt: skip
_Error = _struct("Error", ("message", c.c_char_p), ("code", c.c_int))

LARGE, PAGE, HUGE_PAGES = 1 << 22, mmap.PAGESIZE, getattr(mmap, "MADV_HUGEPAGE", None)
_madvise: Any = None
if HUGE_PAGES is not None:
    _madvise = c.CDLL(None).madvise
    _madvise.argtypes = (c.c_void_p, c.c_size_t, c.c_int)

Work = Callable[[str, list[np.ndarray], list[np.ndarray]], None]


def register(work: Work) -> None:
    """Have XLA call ``work(text, arguments, results)`` for the target; it fills the results."""

    def handler(frame: Any) -> int | None:
        frame = frame.contents
        if frame.extension_start:
            extension = c.cast(frame.extension_start, c.POINTER(_Extension)).contents
            if extension.type == METADATA:
                _describe(extension, frame.api)
                return None
        if frame.stage != EXECUTE:
            return None
        try:
            results = _arrays(frame.results)
            for result in results:
                _prefer_large_pages(result)
            work(_text(frame.attributes), _arrays(frame.arguments), results)
        except BaseException as error:  # a C caller cannot be unwound
            return _error(frame, f"{type(error).__name__}: {error}")
        return None

    function = c.CFUNCTYPE(c.c_void_p, c.POINTER(_Frame))(handler)
    _registered.append(function)  # must outlive every compiled program
    jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(function), platform="cpu")


_registered: list[Any] = []


def _describe(extension: Any, api: Any) -> None:
    """Answer XLA's question for which version of the interface the function is: its own."""
    metadata = c.cast(extension.metadata, c.POINTER(_Metadata)).contents
    if api:
        metadata.version.major = api.contents.version.major
        metadata.version.minor = api.contents.version.minor
    metadata.traits = 0


def _text(attributes: Any) -> str:
    """The only attribute, a text."""
    span = attributes.items[0].contents
    return c.string_at(span.ptr, span.len).decode()


def _arrays(buffers: Any) -> list[np.ndarray]:
    return [_array(buffers.items[place].contents) for place in range(buffers.size)]


def _array(buffer: Any) -> np.ndarray:
    dtype, shape = DTYPES[buffer.dtype], tuple(buffer.dims[: buffer.rank])
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if size == 0:
        return np.empty(shape, dtype)
    memory = (c.c_char * size).from_address(buffer.data)
    return np.frombuffer(memory, dtype).reshape(shape)


def _prefer_large_pages(result: np.ndarray) -> None:
    """Ask Linux for huge pages where a large result has not been touched, as NumPy does for its own
    arrays: a fault for every 4 KiB of it costs as much as a fifth of the loss."""
    if _madvise is None or result.nbytes < LARGE:
        return
    start = -(-result.ctypes.data // PAGE) * PAGE
    _madvise(start, (result.ctypes.data + result.nbytes - start) // PAGE * PAGE, HUGE_PAGES)


def _error(frame: Any, message: str) -> int:
    create = c.CFUNCTYPE(c.c_void_p, c.POINTER(_Error))(frame.api.contents.error)
    error = _Error(c.sizeof(_Error), None, message.encode(), INVALID_ARGUMENT)
    return create(c.byref(error))
