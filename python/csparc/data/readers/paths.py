"""Paths that a data file names may not leave its folder: by ``..``, by being absolute, by links."""

from __future__ import annotations

import os
import re
import stat

from csparc import _text
from csparc._text import show
from csparc._whereabouts import expanded, hint, same_in_another_form
from csparc.data.report import BadItem

LONGEST_PATH = 4096

_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.I)


def printable(path: str) -> str:
    """A path fit for a one-line message: undecodable bytes and control characters replaced."""
    text = path.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class Guard:
    """Joins the paths that a data file names to its folder, and refuses those that leave it.

    Parameters
    ----------
    root : str
        The data folder.
    allow_outside : bool
        Trust every path (absolute ones, ``..``, links to elsewhere).
    what : str
        What messages call the folder.
    """

    def __init__(
        self, root: str, allow_outside: bool = False, what: str = "the data folder"
    ) -> None:
        self.root = os.path.abspath(root)
        self.what = what
        self.allow_outside = allow_outside
        self._real_root = os.path.realpath(self.root)
        self._real_folders: dict[str, str] = {}

    def join(self, given: object, where: str) -> str:
        """The path `given` relative to the folder, judged by its text alone.

        Raises
        ------
        BadItem
            Named `where`, when `given` is no path or leaves the folder.
        """
        if not isinstance(given, str) or _text.is_blank(given):
            raise BadItem(where, f"expected a picture's path, found {show(given)}")
        if "\0" in given or len(given) > LONGEST_PATH:
            raise BadItem(where, f"expected a picture's path, found {show(given)}")
        if _ADDRESS.match(given):
            raise BadItem(
                where,
                f"expected a picture's path, found the address {show(given)}: fetch the picture, "
                "and name the file",
            )
        path = os.path.normpath(os.path.join(self.root, self._meant(given)))
        if not self.allow_outside and not _within(self.root, path):
            raise BadItem(
                where,
                f"path {show(given)} leaves the data folder {self.root} "
                "(allow_outside=True, --allow-outside, to trust it)",
            )
        return path

    def _meant(self, given: str) -> str:
        """Without blanks around it, unless they belong to the name; ``~`` as the user's folder."""
        trimmed = _text.trimmed(given)
        if trimmed != given and os.path.lexists(os.path.join(self.root, given)):
            return given
        inside = trimmed.startswith("~") and os.path.lexists(os.path.join(self.root, trimmed))
        return trimmed if inside else expanded(trimmed)

    def check(self, path: str, name: str) -> str:
        """The file to read for `path`: itself, or the same name in another Unicode form.

        Refused is what is not a regular file (a pipe would never end) or lies elsewhere by a link.

        Raises
        ------
        BadItem
            When the file is missing, no regular file, or outside by a link.
        """
        try:
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                path = same_in_another_form(path) or path
                mode = os.lstat(path).st_mode
            linked = stat.S_ISLNK(mode)
            if linked:
                mode = os.stat(path).st_mode
        except FileNotFoundError as error:
            raise BadItem(name, self._missing(path)) from error
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise BadItem(name, f"cannot be read: {why or error}") from error
        if not stat.S_ISREG(mode):
            raise BadItem(name, "is not a regular file")
        if not self.allow_outside and not _within(self._real_root, self._real(path, linked)):
            raise BadItem(
                name,
                "is a link that leaves the data folder "
                "(allow_outside=True, --allow-outside, to trust it)",
            )
        return path

    def _missing(self, path: str) -> str:
        """Where a missing file was looked for, and what it may have been meant for."""
        if os.path.islink(path):
            return f"no such file: a link to {os.readlink(path)!r}, which is not there"
        if not _within(self.root, path):
            return f"no such file: looked for {path}{hint(path)}"
        text = f"no such file in {self.what} {self.root}"
        relative = os.path.relpath(path, self.root)
        if found := hint(path):
            return f"{text}{found.replace(f'{self.root}{os.sep}', '')}"
        if os.path.exists(relative):
            return (
                f"{text}; it is there from the working folder {os.getcwd()}, but paths are "
                f"relative to {self.what}"
            )
        return text

    def _real(self, path: str, linked: bool) -> str:
        """`path` with links resolved; folders are remembered, as most pictures share one."""
        if linked:
            return os.path.realpath(path)
        folder, file = os.path.split(path)
        real = self._real_folders.get(folder)
        if real is None:
            real = self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(real, file)


def read_small(path: str, where: str, largest: int, what: str) -> bytes:
    """The content of a file that holds ``what``, of at most ``largest`` bytes.

    Raises
    ------
    BadItem
        Named `where`: it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise BadItem(where, f"cannot be read: {error.strerror or error}") from error
    if len(content) > largest:
        raise BadItem(where, f"expected {what}, found more than {largest} bytes")
    return content


def _within(root: str, path: str) -> bool:
    return path.startswith(root if root.endswith(os.sep) else root + os.sep)
