"""The tar shards that a pattern names."""

from __future__ import annotations

import glob
import os
import re

from csparc._text import reason_of
from csparc._whereabouts import expanded, looked_for
from csparc.errors import DataError

_MOST_SHARDS = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(files: str) -> list[str]:
    """The shards that a pattern names, in order.

    A path that exists is taken as it is. Braces multiply out in the order written; wildcards find
    existing files in the order of their code points.

    Raises
    ------
    DataError
        When a wildcard finds nothing, a folder it leads to cannot be listed, or braces name more
        than a million shards.
    """
    shards = []
    for pattern in map(expanded, files.split("::")):
        if os.path.isdir(pattern):
            inside = os.path.join(pattern, "*.tar")
            raise DataError(f"{pattern}: expected tar archives, found a folder: write {inside}")
        if os.path.exists(pattern):
            shards.append(pattern)
            continue
        for path in _unbraced(pattern):
            if not glob.has_magic(path) or os.path.exists(path):
                shards.append(path)
                continue
            _check_folders(path)
            there = sorted(glob.glob(path, recursive=True))
            if not there:
                raise DataError(
                    f"{path}: expected tar archives, found no file of that name{looked_for(path)}"
                )
            shards.extend(there)
    return shards


def _check_folders(pattern: str) -> None:
    """Refuse a folder that a wildcard has to list and cannot: `glob` would take it as empty."""

    def refuse(error: OSError) -> None:
        reason = error.strerror or reason_of(error)
        raise DataError(f"{error.filename}: the folder cannot be listed: {reason}") from error

    folder, name = os.path.split(pattern)
    if glob.has_magic(folder):
        _check_folders(folder)
    if not glob.has_magic(name):
        return
    for found in glob.glob(folder or os.curdir, recursive=True):
        if os.path.isdir(found):
            for _ in os.walk(found, onerror=refuse):
                if name != "**":
                    break


def _unbraced(pattern: str) -> list[str]:
    done = [""]
    position = 0
    for match in _BRACES.finditer(pattern):
        head = pattern[position : match.start()]
        choices = _choices(match[1])
        if len(done) * len(choices) > _MOST_SHARDS:
            raise DataError(f"{pattern}: expected at most {_MOST_SHARDS} shards")
        done = [begun + head + choice for begun in done for choice in choices]
        position = match.end()
    return [begun + pattern[position:] for begun in done]


def _choices(inside: str) -> list[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",")
    first, last = match[1], match[2]
    count = abs(int(last) - int(first)) + 1 if max(len(first), len(last)) < 20 else _MOST_SHARDS + 1
    if count > _MOST_SHARDS:
        raise DataError(f"{{{inside}}}: expected at most {_MOST_SHARDS} shards")
    step = 1 if int(last) >= int(first) else -1
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    return [str(n).zfill(width) for n in range(int(first), int(last) + step, step)]
