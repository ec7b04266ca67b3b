"""The pictures to search, with captions or without: those of a data set that are files."""

from __future__ import annotations

import os
from typing import Any

import csparc.data
from csparc.data.images import MAX_PIXELS
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.listing import list_folder
from csparc.data.readers.paths import Guard
from csparc.data.report import BadItems
from csparc.data.spec import folder_of
from csparc.errors import DataError


def open_pictures(
    spec: str | os.PathLike,
    *,
    allow_outside: bool = False,
    max_pixels: int = MAX_PIXELS,
    **columns: Any,
) -> PictureFiles:
    """As `csparc.data.open`, but that the pictures of a folder need no captions.

    Of a folder every picture is taken, in the order of the relative paths' code points, with the
    captions it has, if any. Of tables and lists the pictures that they name are taken.

    Raises
    ------
    DataError
        No pictures, or pictures that are not files of their own (``webdataset:``, ``scenes:``,
        ``pairs=``).
    """
    options = {"allow_outside": allow_outside, "max_pixels": max_pixels, "max_bad": 1.0, **columns}
    folder = folder_of(spec)
    if folder is not None and os.path.isdir(folder):
        return _whole_folder(os.fspath(spec), folder, options)
    found = csparc.data.open(spec, **options)
    if not isinstance(found, PictureFiles):
        raise DataError(
            f"{os.fspath(spec)}: expected pictures that are files of their own (folder:, csv:, "
            "tsv:, coco:, karpathy:), found others: csparc.data.export.export writes them as a "
            "folder"
        )
    return found


def _whole_folder(spec: str, folder: str, options: dict[str, Any]) -> PictureFiles:
    guard = Guard(folder, options["allow_outside"])
    listing = list_folder(guard.root, guard.allow_outside)
    if not listing.pictures:
        raise DataError(f"{folder}: expected a folder of pictures, found none in it")
    captions = _captions(spec, options)
    paths = [os.path.join(guard.root, picture) for picture in listing.pictures]
    problems = BadItems(1.0)
    for bad in listing.locked:
        problems.add(bad)
    return PictureFiles(
        spec, guard, {path: captions.get(path, []) for path in paths}, problems,
        options["max_pixels"],
    )  # fmt: skip


def _captions(spec: str, options: dict[str, Any]) -> dict[str, list[str]]:
    """By path the captions of the pictures that have some; an option that was given must work."""
    try:
        found = csparc.data.open(spec, **options)
    except DataError:
        if ";" in spec or any(options.get(key) for key in ("img_key", "caption_key", "separator")):
            raise
        return {}
    if not isinstance(found, PictureFiles):
        raise DataError(f"{spec}: expected captions of the pictures' own, found pairs= another's")
    return {found.path(index): found.captions(index) for index in range(len(found))}
