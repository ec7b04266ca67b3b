"""Where the files of a tar archive lie: its headers are read, its contents are not.

The standard library's tarfile reads whatever size a header claims, and ends at the first mark of an
end; here each size is checked against the file first, only regular files are listed, and what
follows the end is read or told. Formats: ustar, GNU long names, pax.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from csparc._kinds import HEAD_BYTES, kind_of
from csparc._repr import fields_line
from csparc._text import reason_of, show
from csparc.data.readers.text_files import regular_file
from csparc.errors import DataError

_BLOCK = 512
_ZEROS = 1 << 20
# Long names and pax records: real ones take some hundred bytes.
_LARGEST_EXTENSION = 1 << 20
_REGULAR = (b"0", b"\0", b"7")


@dataclass(frozen=True)
class Member:
    """A regular file in an archive: its content is `size` bytes from `offset`; `part` counts the
    archives that were written one after another into the file, from 0."""

    name: str
    offset: int
    size: int
    part: int = 0

    __repr__ = fields_line


Say = Callable[[str], None]


def members(path: str, say: Say = lambda text: None) -> Iterator[Member]:
    """The regular files of an uncompressed tar archive, in order; links and folders are left out.

    Archives that were written one after another into one file are read as one. ``say`` is called
    with what is to be known besides: that other bytes follow the end, or that there is no end mark.

    Raises
    ------
    DataError
        No tar archive, a damaged header or a part of one, or contents that run past the end of the
        file.
    """
    regular_file(path, "a tar archive")
    try:
        with open(path, "rb") as file:
            yield from _walk(path, file, os.fstat(file.fileno()).st_size, say)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_member(path: str, member: Member) -> bytes:
    """The content of a member.

    Raises
    ------
    DataError
        When the archive has become shorter since it was listed, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            file.seek(member.offset)
            content = file.read(member.size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) != member.size:
        raise DataError(
            f"{path}: {show(member.name)}: expected {member.size} bytes, found {len(content)}"
        )
    return content


def _walk(path: str, file: BinaryIO, length: int, say: Say) -> Iterator[Member]:
    position, part = 0, 0
    ended = False
    extended: dict[str, str] = {}
    if length < _BLOCK:
        found = kind_of(file.read(_BLOCK)) or f"{length} bytes"
        raise DataError(f"{path}: expected a tar archive, found {found}")
    while position < length:
        file.seek(position)
        header = file.read(_BLOCK)
        if not header.strip(b"\0"):
            ended = True
            position = _end_of_zeros(file, position, length)
            continue
        where = f"{path}: byte {position}"
        if ended and not _is_header(header):
            say(f"{path}: {length - position} bytes that are no archive follow its end")
            return
        if len(header) < _BLOCK:
            raise DataError(f"{where}: found a part of a tar header: is the archive whole?")
        part += ended and position > 0
        ended = False
        _check_sum(file, header, where, position == 0)
        kind = header[156:157]
        size = _number(header[124:136], where)
        if "size" in extended and kind in _REGULAR:
            size = _pax_size(extended["size"], where)
        start = position + _BLOCK
        if size > length - start:
            raise DataError(
                f"{where}: expected {size} bytes of content as the header says, "
                f"found {length - start}: is the archive whole?"
            )
        if kind in (b"L", b"x", b"g"):
            if size > _LARGEST_EXTENSION:
                raise DataError(f"{where}: expected a long name or pax record, found {size} bytes")
            extended = _extension(kind, file.read(size), extended, where)
        else:
            if kind in _REGULAR:
                yield Member(extended.get("path") or _name(header), start, size, part)
            extended = {}
        position = start + (size + _BLOCK - 1) // _BLOCK * _BLOCK
    if not ended:
        say(f"{path}: {NO_END}")


NO_END = "ends without the mark of its end: is the archive whole?"


def _end_of_zeros(file: BinaryIO, position: int, length: int) -> int:
    """The first block after `position` that is not of zeros, or the end of the file."""
    while position < length:
        file.seek(position)
        content = file.read(_ZEROS)
        zeros = len(content) - len(content.lstrip(b"\0"))
        position += zeros // _BLOCK * _BLOCK if zeros < len(content) else len(content)
        if zeros < len(content):
            break
    return position


def _is_header(header: bytes) -> bool:
    return len(header) == _BLOCK and _stated_or_none(header) == _sum(header)


def _sum(header: bytes) -> int:
    return sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _check_sum(file: BinaryIO, header: bytes, where: str, first: bool) -> None:
    stated = _number(header[148:156], where) if not first else _stated_or_none(header)
    if stated != _sum(header):
        if first:
            file.seek(0)
            found = kind_of(file.read(HEAD_BYTES)) or "another kind"
            raise DataError(f"{where}: expected an uncompressed tar archive, found {found}")
        raise DataError(f"{where}: expected a tar header, found a wrong check sum")


def _stated_or_none(header: bytes) -> int | None:
    try:
        return _number(header[148:156], "")
    except DataError:
        return None


def _number(field: bytes, where: str) -> int:
    """A header number: octal digits, or base 256 after a first byte of 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not text:
        return 0
    if not all(digit in b"01234567" for digit in text):
        raise DataError(f"{where}: expected an octal number in the tar header, found {show(field)}")
    return int(text, 8)


def _pax_size(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise DataError(f"{where}: expected a pax size, found {show(text)}")
    return int(text)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].partition(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return name.decode("utf-8", "replace")


def _extension(kind: bytes, body: bytes, extended: dict[str, str], where: str) -> dict[str, str]:
    """What a long-name or pax header says of the next member (global headers: nothing)."""
    if kind == b"g":
        return extended
    if kind == b"L":
        return {**extended, "path": body.partition(b"\0")[0].decode("utf-8", "replace")}
    try:
        return {**extended, **_pax_records(body)}
    except ValueError as error:
        raise DataError(f"{where}: expected pax records, found {reason_of(error)}") from error


def _pax_records(body: bytes) -> dict[str, str]:
    """Records ``LENGTH KEY=VALUE\\n``, where LENGTH counts the whole record."""
    found = {}
    position = 0
    while position < len(body):
        digits, space, _ = body[position : position + 12].partition(b" ")
        if not space or not digits.isdigit():
            raise ValueError(f"no length at {position}")
        end = position + int(digits)
        record = body[position + len(digits) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(body) or not equals or not value.endswith(b"\n"):
            raise ValueError(f"a broken record at {position}")
        if key in (b"path", b"size"):
            found[key.decode()] = value[:-1].decode("utf-8", "replace")
        position = end
    return found
