"""JSON from files and archives; what is wrong becomes one line that names the file and the place.

NaN and Infinity, which JSON does not have but which many programs write, are read as floats: a file
may hold them where nobody looks. Whoever uses a field refuses a value that it cannot use.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from csparc._kinds import HEAD_BYTES, kind_of
from csparc._text import decoded, reason_of, show
from csparc._whereabouts import absent
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
    repeated: Counter[str] | None = None,
) -> Any:
    """The value that ``content`` spells; of bytes the encoding is `csparc._text.encoding_of`.

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
    repeated : Counter, optional
        Takes the keys that an object gives again, for a caller that refuses or names them.
    """
    try:
        text = decoded(content) if isinstance(content, bytes) else content
        return json.loads(text, object_pairs_hook=_hook(unique_keys, repeated))
    except (ValueError, RecursionError) as problem:
        found = _other_kind(content) or _found(problem)
        raise error(where, f"expected {kind}, found {found}") from problem


def read_json(
    path: str | os.PathLike,
    kind: str,
    *,
    unique_keys: bool = False,
    repeated: Counter[str] | None = None,
) -> Any:
    """The value in a file; its encoding is `csparc._text.encoding_of`, the rest as `parse_json`.

    Raises
    ------
    DataError
        Missing, in another encoding, not JSON (other kinds of files are named), or nested too
        deeply.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise DataError(f"{name}: expected {kind}, found {absent(name)}")
    try:
        with open(name, "rb") as file:
            return parse_json(file.read(), name, kind, unique_keys=unique_keys, repeated=repeated)
    except OSError as problem:
        raise DataError(f"{name}: cannot be read: {problem.strerror or problem}") from problem


def _other_kind(content: str | bytes) -> str | None:
    return kind_of(content[:HEAD_BYTES]) if isinstance(content, bytes) else None


def _found(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "JSON nested too deeply"
    if isinstance(problem, UnicodeDecodeError):
        return f"no UTF-8 text at byte {problem.start}"
    return f"no valid JSON: {reason_of(problem)}"


def _hook(unique: bool, repeated: Counter[str] | None) -> Callable | None:
    """What makes an object of its keys and values; None for what Python does, the last counts."""
    if unique:
        return _unique
    if repeated is None:
        return None

    def counted(entries: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(entries)
        if len(record) < len(entries):
            repeated.update((Counter(key for key, _ in entries) - Counter(record.keys())).keys())
        return record

    return counted


def _unique(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in entries:
        if key in record:
            raise ValueError(f"the key {show(key, 60)} twice")
        record[key] = value
    return record
