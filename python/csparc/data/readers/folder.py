"""A folder of pictures: a ``.txt`` beside each (one caption a line), or one captions file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from csparc.data.dataset import Gather, Options, PictureFiles, caption_lines
from csparc.data.images import is_picture
from csparc.data.readers import captions_file
from csparc.data.readers.paths import Guard, printable
from csparc.data.report import BadItem
from csparc.errors import DataError

# A caption text beside a picture is small; a larger one is some other file.
_LARGEST_TEXT = 1 << 20


def open_folder(spec: str, folder: str, options: Options) -> PictureFiles:
    """Read a folder, with its subfolders, in the order of the relative paths' code points.

    The captions come from the file that the options name (``;captions=FILE``, relative to the
    folder); else from the one captions file in the folder (`captions_file.NAMES`); else from
    ``NAME.txt`` beside each ``NAME.jpg``. Hidden files are passed over, links to folders too unless
    `allow_outside`.

    Raises
    ------
    DataError
        No such folder, two captions files, no pictures, nothing left or too many bad items.
    """
    if not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "no such folder"
        raise DataError(f"{folder}: expected a folder of pictures, found {found}")
    guard = Guard(folder, options.allow_outside)
    gather = Gather(options)
    captions = options.captions or _find_captions(guard.root)
    if captions is not None:
        path = os.path.join(guard.root, captions)
        captions_file.read_captions(path, guard, gather, options)
    else:
        _read_beside(guard, gather)
    problems = gather.problems
    return PictureFiles(spec, guard, gather.finish(folder), problems, options.max_pixels)


def _find_captions(root: str) -> str | None:
    there = [name for name in captions_file.NAMES if os.path.isfile(os.path.join(root, name))]
    if len(there) > 1:
        raise DataError(
            f"{root}: expected one captions file, found {', '.join(there)}; "
            f"choose with ;captions={there[0]}"
        )
    return there[0] if there else None


def _read_beside(guard: Guard, gather: Gather) -> None:
    pictures = sorted(_walk(guard.root, guard.allow_outside))
    if not pictures:
        raise DataError(f"{guard.root}: expected pictures (.jpg, .png, ...), found none")
    for relative in pictures:
        path = os.path.join(guard.root, relative)
        text = f"{os.path.splitext(path)[0]}.txt"
        where = printable(os.path.relpath(text, guard.root))
        if not os.path.lexists(text):
            gather.reject(BadItem(printable(relative), f"has no captions: expected {where}"))
            continue
        try:
            captions = _read_text(guard, text, where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(path, list(captions), where)


def _read_text(guard: Guard, path: str, where: str) -> list[str]:
    """The lines of a caption text that hold something."""
    guard.check(path, where)
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_TEXT + 1)
    except OSError as error:
        raise BadItem(where, f"cannot be read: {error.strerror or error}") from error
    if len(content) > _LARGEST_TEXT:
        raise BadItem(where, f"expected captions, found more than {_LARGEST_TEXT} bytes")
    return caption_lines(content, where)


def _walk(root: str, follow: bool) -> Iterator[str]:
    """Relative paths of the pictures below `root`; a folder reached twice by links is read once."""
    seen = set()
    for folder, subfolders, files in os.walk(root, followlinks=follow):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            if is_picture(name) and not name.startswith("."):
                yield os.path.relpath(os.path.join(folder, name), root)
