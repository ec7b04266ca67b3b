"""Text files, and fields of JSON records, checked as they are read; a failure is one DataError."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from csparc import _text
from csparc._kinds import HEAD_BYTES, kind_of
from csparc._text import show
from csparc._whereabouts import absent
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError


def regular_file(path: str, kind: str) -> None:
    """Raise DataError unless `path` is an existing regular file (not a folder, not a pipe)."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: expected {kind}, found {absent(path)}")


def lines(path: str, kind: str) -> Iterator[str]:
    """The lines of a text file, ends kept as they are, a byte-order mark dropped.

    UTF-8, or UTF-16 and UTF-32 as spreadsheets write them (`csparc._text.encoding_of`). A line ends
    as `csparc._text.lines_of` says. Bytes that are no UTF-8 come as half surrogate pairs, which are
    refused where the line is used (`csparc.data.caption_text.clean_caption`): one line costs
    itself.

    Raises
    ------
    DataError
        Another encoding, unreadable, or no text at all: the file's kind is named.
    """
    regular_file(path, kind)
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
        if head and (found := kind_of(head)) is not None:
            raise DataError(f"{path}: expected {kind} as UTF-8 text, found {found}")
        encoding = _text.encoding_of(head)
        errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
        with open(path, encoding=encoding, errors=errors, newline="") as file:
            yield from file
    except UnicodeError as error:
        raise DataError(
            f"{path}: expected {kind} as UTF-8 text, found another encoding "
            f"({getattr(error, 'reason', error)}): save it as UTF-8"
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


def note_repeated(path: str, repeated: Counter[str], problems: BadItems) -> None:
    """Warn of keys that objects of a JSON file give again (`csparc._json.parse_json`)."""
    if repeated:
        keys = ", ".join(show(key, 24) for key in list(repeated)[:4])
        problems.note(f"{path}: a key twice in one object ({keys}): the last one counts", warn=True)


def refuse_repeated(where: str, repeated: Counter[str], *keys: str) -> None:
    """Raise BadItem where a record gives one of the keys that are read again: which one is meant
    nobody knows."""
    for key in keys:
        if key in repeated:
            raise BadItem(
                where, f"expected the key {show(key, 40)} once in an object, found it twice"
            )


_WORDS = {list: "a list", dict: "an object", str: "a string", int: "a whole number"}


def _named(value: object) -> str:
    return _WORDS[type(value)] if isinstance(value, (list, dict)) else show(value, 40)
