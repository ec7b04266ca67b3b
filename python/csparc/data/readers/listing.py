"""What lies in a folder of pictures, by kind, and what was not looked at."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from csparc._repr import fields_line
from csparc._text import reason_of
from csparc.data.images import is_picture
from csparc.data.readers.paths import printable
from csparc.data.report import BadItem, BadItems


@dataclass
class Listing:
    """The files below a folder, as paths relative to it.

    Attributes
    ----------
    pictures : list of str
        In the order of their code points.
    texts : dict
        The ``.txt`` files (in any case) by their path without the ending, in Unicode's composed
        form.
    others : list of str
        All other files.
    aside : Counter
        What was not looked at, by kind.
    locked : list of BadItem
        The folders that cannot be listed.
    """

    pictures: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)
    locked: list[BadItem] = field(default_factory=list)
    _folded: dict[str, str] | None = None

    __repr__ = fields_line

    def text_of(self, picture: str) -> str | None:
        """The caption text beside a picture: ``NAME.txt``, else one that differs by the case of its
        ending or by its Unicode form."""
        stem = os.path.splitext(picture)[0]
        there = self.texts.get(_composed(stem), ())
        if f"{stem}.txt" in there:
            return f"{stem}.txt"
        return min(there, default=None)

    def text_near(self, picture: str) -> str | None:
        """A text that may have been meant for a picture: of a name in another case, or with both
        endings (``NAME.jpg.txt``)."""
        if self._folded is None:
            self._folded = {stem.casefold(): texts[0] for stem, texts in self.texts.items()}
        stem = _composed(os.path.splitext(picture)[0]).casefold()
        return self._folded.get(stem) or self._folded.get(_composed(picture).casefold())

    def note_unused(self, folder: str, used: Iterable[str], problems: BadItems) -> None:
        """Say which files are not among those used, counted by their endings."""
        files = [*self.others, *self.pictures, *(t for group in self.texts.values() for t in group)]
        taken = set(map(_composed, used))
        kinds: dict[str, list[str]] = {}
        for path in sorted(file for file in files if _composed(file) not in taken):
            kinds.setdefault(os.path.splitext(path)[1].lower() or "without ending", []).append(path)
        said = [f"{len(paths)} {kind} ({printable(paths[0])})" for kind, paths in kinds.items()]
        said += [f"{kind} ({count})" for kind, count in self.aside.items()]
        if said:
            problems.note(f"{folder}: not used: {', '.join(said)}")


def list_folder(root: str, follow: bool) -> Listing:
    """List a folder with its subfolders; a folder reached twice by links is read once.

    Hidden files and folders and what macOS adds (``._NAME``, ``__MACOSX``) are counted alone, and
    links to folders too unless `follow`.
    """
    found = Listing()
    seen = set()

    def cannot_list(error: OSError) -> None:
        where = printable(os.path.relpath(error.filename or root, root))
        reason = f"the folder cannot be listed: {error.strerror or reason_of(error)}"
        found.locked.append(BadItem(where, reason))

    for folder, subfolders, files in os.walk(root, onerror=cannot_list, followlinks=follow):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            found.aside["links to folders that are read already"] += 1
            continue
        seen.add(real)
        hidden = [name for name in subfolders if _is_hidden(name)]
        found.aside["hidden files and folders"] += len(hidden)
        subfolders[:] = sorted(set(subfolders) - set(hidden))
        if not follow:
            links = sum(os.path.islink(os.path.join(folder, name)) for name in subfolders)
            found.aside["links to folders (--allow-outside to follow them)"] += links
        for name in files:
            _sort_in(found, os.path.relpath(os.path.join(folder, name), root), name)
    found.pictures.sort()
    found.aside = +found.aside
    return found


def note_unnamed(root: str, named: Iterable[str], own: str, problems: BadItems) -> None:
    """Say what lies beside the pictures of a list, and above them up to ``root``, and is not named.

    Other folders are counted and not opened: what lies there may be large, and of another data set.

    Parameters
    ----------
    root : str
        The folder of the pictures.
    named : iterable of str
        The absolute paths that the list names, whether they are used or not.
    own : str
        The list itself, which may lie among the pictures.
    problems : BadItems
        Where it is noted.
    """
    inside = {os.path.relpath(path, root) for path in (*named, os.path.abspath(own))}
    folders = {""}
    for path in inside:
        folder = os.path.dirname(path)
        while folder not in folders and not folder.startswith(os.pardir):
            folders.add(folder)
            folder = os.path.dirname(folder)
    found = Listing()
    for folder in folders:
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if not entry.is_dir():
                        _sort_in(found, path, entry.name)
                    elif path not in folders:
                        found.aside["folders without a picture that is named"] += 1
        except OSError:
            continue  # a picture that is looked for there is a bad item, with the reason
    found.note_unused(root, inside, problems)


def _sort_in(found: Listing, path: str, name: str) -> None:
    if _is_hidden(name):
        found.aside["hidden files and folders"] += 1
    elif is_picture(name):
        found.pictures.append(path)
    elif name.lower().endswith(".txt"):
        found.texts.setdefault(_composed(os.path.splitext(path)[0]), []).append(path)
    else:
        found.others.append(path)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)
