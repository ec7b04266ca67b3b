"""Text files, and fields of JSON records, checked as they are read; a failure is one DataError."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from csparc._text import show
from csparc.errors import DataError


def regular_file(path: str, kind: str) -> None:
    """Raise DataError unless `path` is an existing regular file (not a folder, not a pipe)."""
    if not os.path.exists(path):
        raise DataError(f"{path}: expected {kind}, found no such file")
    if not os.path.isfile(path):
        raise DataError(f"{path}: expected {kind}, found a folder or device")


def lines(path: str, kind: str) -> Iterator[str]:
    """The lines of a UTF-8 file, ends kept as they are, a byte-order mark dropped.

    Raises
    ------
    DataError
        Not UTF-8, a NUL byte, or unreadable.
    """
    regular_file(path, kind)
    number = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise DataError(
                        f"{path}: expected {kind} as UTF-8 text, found a NUL byte in line {number}"
                    )
                yield line
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected {kind} as UTF-8 text, found another encoding after line {number} "
            f"({error.reason})"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def member(record: object, key: str, kind: type, where: str) -> Any:
    """`record[key]`, checked: `record` must be an object and the value of type `kind`.

    Raises
    ------
    DataError
        Says what was expected and what there is.
    """
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object with {key!r}, found {_named(record)}")
    if key not in record:
        there = ", ".join(show(name, 24) for name in list(record)[:8]) or "nothing"
        raise DataError(f"{where}: expected the key {key!r}, found {there}")
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{where}: expected {key!r} as {_WORDS[kind]}, found {_named(value)}")
    return value


_WORDS = {list: "a list", dict: "an object", str: "a string", int: "a whole number"}


def _named(value: object) -> str:
    return _WORDS[type(value)] if isinstance(value, (list, dict)) else show(value, 40)
