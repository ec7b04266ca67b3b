"""Paths that a data file names may not leave its folder: by ``..``, by being absolute, by links."""

from __future__ import annotations

import os
import stat

from csparc._text import show
from csparc.data.report import BadItem

LONGEST_PATH = 4096


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
    """

    def __init__(self, root: str, allow_outside: bool = False) -> None:
        self.root = os.path.abspath(root)
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
        if not isinstance(given, str) or not given.strip():
            raise BadItem(where, f"expected a picture's path, found {show(given)}")
        if "\0" in given or len(given) > LONGEST_PATH:
            raise BadItem(where, f"expected a picture's path, found {show(given)}")
        path = os.path.normpath(os.path.join(self.root, given.strip()))
        if not self.allow_outside and not _within(self.root, path):
            raise BadItem(
                where,
                f"path {show(given)} leaves the data folder {self.root} "
                "(allow_outside=True, --allow-outside, to trust it)",
            )
        return path

    def check(self, path: str, name: str) -> None:
        """Refuse what is not a regular file (a pipe would never end) or lies elsewhere by a link.

        Raises
        ------
        BadItem
            When the file is missing, no regular file, or outside by a link.
        """
        try:
            mode = os.lstat(path).st_mode
            linked = stat.S_ISLNK(mode)
            if linked:
                mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
            raise BadItem(name, reason) from error
        if not stat.S_ISREG(mode):
            raise BadItem(name, "is not a regular file")
        if not self.allow_outside and not _within(self._real_root, self._real(path, linked)):
            raise BadItem(
                name,
                "is a link that leaves the data folder "
                "(allow_outside=True, --allow-outside, to trust it)",
            )

    def _real(self, path: str, linked: bool) -> str:
        """`path` with links resolved; folders are remembered, as most pictures share one."""
        if linked:
            return os.path.realpath(path)
        folder, file = os.path.split(path)
        real = self._real_folders.get(folder)
        if real is None:
            real = self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(real, file)


def _within(root: str, path: str) -> bool:
    return path.startswith(root if root.endswith(os.sep) else root + os.sep)
