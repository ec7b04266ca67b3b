"""JSON from files and archives; what is wrong becomes one line that names the file and the place.

NaN and Infinity, which JSON does not have but which many programs write, are read as floats: a file
may hold them where nobody looks. Whoever uses a field refuses a value that it cannot use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from csparc._text import reason_of, show
from csparc.errors import DataError


def _data_error(where: str, reason: str) -> DataError:
    return DataError(f"{where}: {reason}")


def parse_json(
    content: str | bytes,
    where: str,
    kind: str = "JSON",
    *,
    error: Callable[[str, str], Exception] = _data_error,
    unique_keys: bool = False,
) -> Any:
    """The value that ``content`` spells.

    Parameters
    ----------
    content : str or bytes
    where : str
        The file, and the place in it, for the message.
    kind : str
        What was expected there.
    error : callable
        ``error(where, reason)`` makes the exception to raise; by default a DataError.
    unique_keys : bool
        Refuse an object that gives a key twice; otherwise the last one counts.
    """
    try:
        return json.loads(content, object_pairs_hook=_unique if unique_keys else None)
    except (ValueError, RecursionError) as problem:
        raise error(where, f"expected {kind}, found {_found(problem)}") from problem


def read_json(path: str | os.PathLike, kind: str) -> Any:
    """The value in a UTF-8 file, with or without a byte-order mark.

    Raises
    ------
    DataError
        Missing, not UTF-8, not JSON, or nested too deeply.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        there = "a folder or device" if os.path.exists(name) else "no such file"
        raise DataError(f"{name}: expected {kind}, found {there}")
    try:
        with open(name, encoding="utf-8-sig") as file:
            return parse_json(file.read(), name, kind)
    except UnicodeDecodeError as problem:
        raise DataError(f"{name}: expected {kind}, found {_found(problem)}") from problem
    except OSError as problem:
        raise DataError(f"{name}: cannot be read: {problem.strerror or problem}") from problem


def _found(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "JSON nested too deeply"
    if isinstance(problem, UnicodeDecodeError):
        return f"no UTF-8 text at byte {problem.start}"
    return f"no valid JSON: {reason_of(problem)}"


def _unique(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in entries:
        if key in record:
            raise ValueError(f"the key {show(key, 60)} twice")
        record[key] = value
    return record
