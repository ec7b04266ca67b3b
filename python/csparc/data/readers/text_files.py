"""Text and JSON files, checked while they are read; every failure is one DataError line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NoReturn

from csparc.data.report import reason_of, show
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


def read_json(path: str, kind: str) -> Any:
    """A whole JSON file; NaN and Infinity, which JSON does not have, are refused.

    Raises
    ------
    DataError
        Missing, not UTF-8, not JSON, or nested too deeply.
    """
    regular_file(path, kind)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return parse_json(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: expected {kind}, found no valid JSON: {json_reason(error)}"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_json(text: str | bytes) -> Any:
    """`json.loads` that refuses NaN and Infinity.

    Raises
    ------
    ValueError or RecursionError
        Said in words by `json_reason`.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def json_reason(error: Exception) -> str:
    """Why `parse_json` failed, in one line."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    return reason_of(error)


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


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")
