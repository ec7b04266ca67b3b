"""One safetensors file, written the same way every time and checked before a byte is believed.

Layout: 8 bytes with the header's length (little-endian), the header (a JSON object: tensor name ->
``{"dtype", "shape", "data_offsets"}``, and ``__metadata__``, text to text), then the tensors'
bytes without a gap. The library reads the tensors. It is not what writes them: its order of the
metadata is random, and two runs that end in the same bits should leave the same file.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np

from csparc._extras import require
from csparc._json import parse_json
from csparc._kinds import HEAD_BYTES, found_kind
from csparc._repr import fields_line
from csparc._text import reason_of, show
from csparc.errors import CheckpointError

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
BFLOAT16 = np.dtype("<u2")
"""Stands for bfloat16, which NumPy has not; no other type of a file is given as this one."""
FOREIGN_DTYPES = {
    **DTYPES,
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
}
"""Of files that other programs wrote."""
MAX_HEADER = 100_000_000
"""The library's own limit on the header's length, in bytes."""
MAX_TENSORS = 100_000
"""More than any model has; each costs time to check."""
MAX_RANK = 8
HEADER_UNIT = 4096
"""Headers are padded to whole disk blocks, so that growing counters do not grow the file."""
SAFETENSORS = "a safetensors file"
"""`found_kind` of such a file."""
OUR_CHECKPOINT = "a checkpoint that csparc wrote"


@dataclass(frozen=True)
class TensorEntry:
    """Where a tensor lies in the file: bytes ``begin`` to ``end`` after the header."""

    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int

    __repr__ = fields_line


@dataclass(frozen=True)
class Header:
    """A header that passed every check."""

    metadata: dict[str, str]
    tensors: dict[str, TensorEntry]
    data_start: int

    __repr__ = fields_line


def refuse(path: str | os.PathLike, expected: str, found: str) -> NoReturn:
    """Raise the one-line CheckpointError of this file."""
    raise CheckpointError(f"{os.fspath(path)}: expected {expected}, found {found}")


# Writing -----------------------------------------------------------------------------------------


def checksum(array: np.ndarray) -> int:
    """CRC-32 of an array's bytes as they lie in the file."""
    return zlib.crc32(_little_endian_bytes(array))


def write(file: BinaryIO, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write tensors (floating-point, or uint16 for the bits of bfloat16; any shape) in the given
    order, then nothing else."""
    file.write(_encode_header(tensors, metadata))
    for array in tensors.values():
        file.write(_little_endian_bytes(array))


def encoded_size(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> int:
    """Bytes that `write` will write."""
    data = sum(array.nbytes for array in tensors.values())
    return len(_encode_header(tensors, metadata)) + data


def _encode_header(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    begin = 0
    for name, array in tensors.items():
        dtype = _dtype_name(name, array)
        end = begin + array.nbytes
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-(len(text) + 8) % HEADER_UNIT)
    return struct.pack("<Q", len(text)) + text


def _dtype_name(name: str, array: np.ndarray) -> str:
    for key, dtype in FOREIGN_DTYPES.items():
        if array.dtype == dtype.newbyteorder("=") and dtype.kind != "i":
            return key
    raise TypeError(f"{name}: expected floating-point numbers, found {array.dtype}")


def _little_endian_bytes(array: np.ndarray) -> memoryview:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


# Reading -----------------------------------------------------------------------------------------


def read_header(path: str | os.PathLike, written_as: str | None) -> Header:
    """Check the whole structure of a file and return its header; no tensor is read.

    ``written_as`` is the ``format`` in the metadata of our own files; None: a file of any program,
    whose metadata may lack.

    Raises
    ------
    CheckpointError
        One line: the file, what was expected, what was found.
    """
    if not os.path.isfile(path):
        refuse(path, "a checkpoint file", "no such file" if not os.path.exists(path) else "no file")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            text, data_start = _header_text(path, file, size)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from error
    record = parse_record(path, "the header", text)
    metadata = record.pop("__metadata__", None)
    if written_as is not None or metadata is not None:
        metadata = _metadata(path, metadata, record, written_as)
    dtypes = FOREIGN_DTYPES if written_as is None else DTYPES
    tensors = {name: _entry(path, name, value, dtypes) for name, value in record.items()}
    _check_layout(path, tensors, size - data_start)
    return Header(metadata or {}, tensors, data_start)


def read_tensors(path: str | os.PathLike, header: Header) -> dict[str, np.ndarray]:
    """Read every tensor of a file whose header was checked, through the safetensors library.

    Raises
    ------
    CheckpointError
        The library refuses the file, or it is no longer the one that was checked.
    """
    library = require("safetensors", extra="train")
    tensors = {}
    try:
        with library.safe_open(os.fspath(path), framework="numpy") as file:
            for name in header.tensors:
                tensors[name] = file.get_tensor(name)
    except (library.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{os.fspath(path)}: cannot be read: {show(reason_of(error), 200)}"
        ) from error
    for name, entry in header.tensors.items():
        if tensors[name].shape != entry.shape or tensors[name].dtype != entry.dtype:
            refuse(path, f"tensor {show(name)} as in the header", "a file that changed meanwhile")
    return tensors


def read_floats(path: str | os.PathLike, header: Header, name: str) -> np.ndarray:
    """One tensor of a file whose header was checked, float32 or float64; halves become float32.

    Raises
    ------
    CheckpointError
        The file cannot be read, or the tensor holds whole numbers.
    """
    entry = header.tensors[name]
    try:
        with open(path, "rb") as file:
            file.seek(header.data_start + entry.begin)
            raw = file.read(entry.end - entry.begin)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from error
    if len(raw) != entry.end - entry.begin:
        refuse(path, f"tensor {show(name)} as in the header", "a file that changed meanwhile")
    array = np.frombuffer(raw, entry.dtype).reshape(entry.shape)
    if entry.dtype == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    if entry.dtype.kind != "f":
        refuse(path, f"tensor {show(name)} of floating-point numbers", f"{entry.dtype}")
    return array.astype(np.float64 if entry.dtype.itemsize == 8 else np.float32)


def parse_record(path: str | os.PathLike, what: str, text: str) -> dict[str, Any]:
    """A JSON object that gives no key twice; what is wrong becomes a CheckpointError."""
    record = parse_json(
        text, os.fspath(path), f"{what} as JSON", error=_checkpoint_error, unique_keys=True
    )
    if not isinstance(record, dict):
        refuse(path, f"{what} as a JSON object", show(record))
    return record


def _checkpoint_error(where: str, reason: str) -> CheckpointError:
    return CheckpointError(f"{where}: {reason}")


def _header_text(path: str | os.PathLike, file: BinaryIO, size: int) -> tuple[str, int]:
    head = file.read(HEAD_BYTES)
    if size < 8:
        _refuse_start(path, head, "at least 8 bytes with the header's length", f"{size} bytes")
    (length,) = struct.unpack("<Q", head[:8])
    if length > min(size - 8, MAX_HEADER):
        limit = min(size - 8, MAX_HEADER)
        expected = f"a header of at most {limit} bytes (the file has {size})"
        _refuse_start(path, head, expected, f"{length}")
    file.seek(8)
    raw = file.read(length)
    if len(raw) != length:
        refuse(path, f"a header of {length} bytes", f"{len(raw)}")
    if raw[:1] != b"{":
        _refuse_start(path, head, "a header that begins with '{'", show(raw[:8]))
    tensors = raw.count(b'"data_offsets"')
    if tensors > MAX_TENSORS:
        refuse(path, f"at most {MAX_TENSORS} tensors", f"{tensors}")
    try:
        return raw.decode("utf-8"), 8 + length
    except UnicodeDecodeError as error:
        refuse(path, "a header in UTF-8", f"another byte at {error.start}")


def _refuse_start(path: str | os.PathLike, head: bytes, expected: str, found: str) -> NoReturn:
    """Refuse a file by what it is, or where that is right, by what its header lacks."""
    kind = found_kind(head)
    if kind == SAFETENSORS:
        refuse(path, expected, found)
    refuse(path, OUR_CHECKPOINT, kind)


def _metadata(
    path: str | os.PathLike, value: object, tensors: Mapping[str, Any], written_as: str | None
) -> dict[str, str]:
    ours = written_as is None or (isinstance(value, dict) and value.get("format") == written_as)
    if not isinstance(value, dict) or not ours:
        names = f"{len(tensors)} tensors, such as {show(min(tensors))}" if tensors else "no tensors"
        refuse(path, OUR_CHECKPOINT, f"{SAFETENSORS} of another program ({names})")
    for key, text in value.items():
        if not isinstance(text, str):
            refuse(path, f"__metadata__ {show(key)} as a text", show(text))
    return value


def _entry(
    path: str | os.PathLike, name: str, value: object, dtypes: Mapping[str, np.dtype]
) -> TensorEntry:
    where = f"tensor {show(name)}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        refuse(path, f"{where} with dtype, shape and data_offsets", show(value))
    dtype = dtypes.get(value["dtype"]) if isinstance(value["dtype"], str) else None
    if dtype is None:
        refuse(path, f"{where} of dtype {' or '.join(dtypes)}", show(value["dtype"]))
    shape, offsets = value["shape"], value["data_offsets"]
    if not _sizes(shape) or len(shape) > MAX_RANK:
        refuse(path, f"{where} with a shape of at most {MAX_RANK} sizes >= 0", show(shape))
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        refuse(path, f"{where} with data_offsets [begin, end], 0 <= begin <= end", show(offsets))
    needed, given = math.prod(shape) * dtype.itemsize, offsets[1] - offsets[0]
    if given != needed:
        refuse(path, f"{where} with {show(needed)} bytes by its shape", show(given))
    return TensorEntry(dtype, tuple(shape), offsets[0], offsets[1])


def _sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _check_layout(path: str | os.PathLike, tensors: dict[str, TensorEntry], size: int) -> None:
    """Tensors in order of their place fill the ``size`` data bytes: no gap, overlap or rest."""
    reached = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != reached:
            kind = "an overlap" if entry.begin < reached else "a gap"
            found = f"{kind}: {entry.begin}"
            refuse(path, f"tensor {show(name)} to begin at byte {reached}", found)
        reached = entry.end
    if reached != size:
        refuse(path, f"{reached} bytes of tensors by the header", f"{size} bytes in the file")
