"""Why a path that was named is not found: what it may have been meant for."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from csparc import _text


def expanded(path: str) -> str:
    """The path with ``~`` and ``~NAME`` replaced, unless it exists as it stands.

    A shell does so only at the beginning of a word, not after ``folder:``.
    """
    return path if not path.startswith("~") or os.path.lexists(path) else os.path.expanduser(path)


def same_in_another_form(path: str) -> str | None:
    """The file that is there under the same name in another Unicode form (NFC, NFD), if any.

    Both look alike; file systems and archives of different systems write one or the other.
    """
    return None if path.isascii() else _nearest(path, _composed)


def hint(path: str) -> str:
    """What to do about a path that does not exist, ready to follow its message; may be empty."""
    turned = path.replace("\\", "/")
    if turned != path:
        there = " (that is there)" if os.path.exists(turned) else ""
        return f"; folders are parted by /, not by \\: write {turned!r}{there}"
    address = path.lower().find("file:")
    if address >= 0 and path[address + 5 : address + 6] == "/":
        return f"; give a path without file://, {path[address + 5 :].replace('//', '')!r}"
    trimmed = os.path.join(os.path.dirname(path), _text.trimmed(os.path.basename(path)))
    if trimmed != path and os.path.exists(trimmed):
        return f"; {trimmed!r} is there, without blanks around its name"
    near = _nearest(path, _folded)
    if near is not None:
        if _composed(near) == _composed(path):
            return f"; {near!r} is there, in another Unicode form"
        if _composed(near).casefold() == _composed(path).casefold():
            return f"; {near!r} is there, in another case"
        return f"; {near!r} is there, of almost the same name: compare the blanks"
    return ""


def absent(path: str, what: str = "no such file") -> str:
    """What a message says of a path that cannot be used as expected: that it is not there, with
    `looked_for`, or why nobody can tell."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{what}{looked_for(path)}"
    except OSError as error:
        return f"{what}: {error.strerror or error}"
    return "a folder" if os.path.isdir(path) else "a device or pipe"


def looked_for(path: str) -> str:
    """Where a path was looked for, and `hint`, in brackets; for messages that name it as given."""
    text = "" if os.path.isabs(path) else f"looked for {os.path.abspath(path)}"
    text = f"{text}{hint(path)}".removeprefix("; ")
    return f" ({text})" if text else ""


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_text.trimmed(name)).casefold()


def _nearest(path: str, form: Callable[[str], str]) -> str | None:
    """The existing path whose every part agrees with that of `path` in the given form."""
    absolute = os.path.isabs(path)
    found = os.sep if absolute else ""
    for part in os.path.normpath(path).split(os.sep):
        if not part:
            continue
        step = os.path.join(found, part)
        if not os.path.lexists(step):
            names = _names(found or os.curdir, _changed(found or os.curdir), form)
            near = names.get(form(part))
            if near is None:
                return None
            step = os.path.join(found, near)
        found = step
    return found if found != path else None


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=32)
def _names(folder: str, changed: int, form: Callable[[str], str]) -> dict[str, str]:
    """The names in a folder by their form; remembered until the folder changes."""
    try:
        names = sorted(os.listdir(folder), reverse=True)
    except OSError:
        return {}
    return {form(name): name for name in names}
