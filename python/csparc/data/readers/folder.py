"""A folder of pictures: a ``.txt`` beside each (one caption a line), or one captions file."""

from __future__ import annotations

import os

from csparc._whereabouts import absent, expanded, same_in_another_form
from csparc.data.caption_text import caption_lines
from csparc.data.gather import Gather
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers import captions_file, hard_negatives
from csparc.data.readers.listing import Listing, list_folder
from csparc.data.readers.paths import Guard, printable, read_small
from csparc.data.report import BadItem
from csparc.errors import DataError

# A caption text beside a picture is small; a larger one is some other file.
_LARGEST_TEXT = 1 << 20

# Pictures of kinds that are not read, by their endings.
_UNREAD = frozenset((".heic", ".heif", ".jxl", ".svg", ".psd", ".cr2", ".nef", ".arw", ".dng"))

_CHOOSE = "captions=FILE names another file, captions=none NAME.txt beside each picture"


def open_folder(spec: str, folder: str, options: Options) -> PictureFiles:
    """Read a folder, with its subfolders, in the order of the relative paths' code points.

    The captions come from the file that the options name (``captions=FILE``, relative to the
    folder); else from the one captions file in the folder (`captions_file.NAMES`), unless a picture
    of the same stem lies beside it; else, and with ``captions=none``, from ``NAME.txt`` beside each
    ``NAME.jpg``, with hard negatives in ``NAME.hard_negative.txt``. A captions file that was not
    named and holds nothing of these pictures is left out where such texts exist. What is not used
    is counted in the notes.

    Raises
    ------
    DataError
        No such folder, two captions files, no pictures, nothing left or too many bad items.
    """
    if not os.path.isdir(folder):
        found = "a file" if os.path.isfile(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected a folder of pictures, found {found}")
    guard = Guard(folder, options.allow_outside)
    listing = list_folder(guard.root, options.allow_outside)
    source, gather = folder, None
    if options.captions is None:
        guess = _guessed(guard, listing, options)
        if guess is not None:
            name, gather = guess
            source = f"{folder} (captions from {name}; {_CHOOSE})"
            used = [name]
            if any(listing.text_of(picture) for picture in listing.pictures):
                gather.problems.note(
                    f"{folder}: captions are read from {name}, not from the texts beside the "
                    f"pictures; {_CHOOSE}"
                )
    elif options.captions != "none":
        name = options.captions
        gather = Gather(options)
        _read_file(name, guard, gather, options)
        used = [os.path.normpath(name)]
    if gather is None:
        gather = Gather(options)
        used = _read_beside(guard, listing, gather)
    found = gather.finish(source)
    used += [os.path.relpath(path, guard.root) for path in found]
    listing.note_unused(folder, used, gather.problems)
    for bad in listing.locked:
        gather.problems.note(f"{os.path.join(folder, bad.name)}: {bad.reason}", warn=True)
    return PictureFiles(
        spec, guard, found, gather.problems, options.max_pixels, gather.hard_negatives
    )


def _guessed(guard: Guard, listing: Listing, options: Options) -> tuple[str, Gather] | None:
    """The captions file that nobody named, and what it says; None where there is none.

    A text with the stem of a picture is that picture's. Where texts lie beside pictures, a file
    that names none of these pictures is another thing.
    """
    texts = {f"{os.path.splitext(picture)[0]}.txt" for picture in listing.pictures}
    beside = any(listing.text_of(picture) for picture in listing.pictures)
    found: dict[str, Gather] = {}
    failed: DataError | None = None
    for name in captions_file.NAMES:
        if name in texts or not os.path.isfile(os.path.join(guard.root, name)):
            continue
        gather = Gather(options)
        try:
            _read_file(name, guard, gather, options)
        except DataError as error:
            failed = failed or error
            continue
        if not beside or any(map(_is_there, gather.keys)):
            found[name] = gather
    if len(found) > 1:
        raise DataError(
            f"{guard.root}: expected one captions file, found {', '.join(found)}; "
            f"choose with ;captions={next(iter(found))}, or ;captions=none for NAME.txt beside "
            "each picture"
        )
    if failed is not None and not found and not beside:
        raise DataError(f"{failed} ({_CHOOSE})") from failed
    return next(iter(found.items()), None)


def _is_there(path: str) -> bool:
    return os.path.lexists(path) or same_in_another_form(path) is not None


def _read_file(name: str, guard: Guard, gather: Gather, options: Options) -> None:
    options.refuse(("text",), f"captions are read from {name}, not from texts beside the pictures")
    path = os.path.join(guard.root, expanded(name))
    captions_file.read_captions(path, guard, gather, options)


def _read_beside(guard: Guard, listing: Listing, gather: Gather) -> list[str]:
    """The texts beside the pictures; returns what was looked at, the pictures too."""
    options = gather.options
    columns = ("img_key", "caption_key", "separator", "quoting")
    if options.hard_negative_key != hard_negatives.NONE:
        columns = (*columns, "hard_negative_key")
    options.refuse(columns, "captions are read from texts beside the pictures, no captions file")
    for bad in listing.locked:
        gather.reject(bad)
    if not listing.pictures:
        raise DataError(_no_pictures(guard.root, listing))
    used: dict[str, str] = {}
    stems = {os.path.splitext(picture)[0] for picture in listing.pictures}
    for picture in listing.pictures:
        text = listing.text_of(picture)
        if text is None:
            gather.reject(BadItem(printable(picture), _no_captions(picture, listing)))
            continue
        where = printable(text)
        if text in used:
            gather.problems.note(
                f"{where}: is the caption text of both {printable(used[text])} and "
                f"{printable(picture)}",
                warn=True,
            )
        used[text] = picture
        try:
            captions = _read_text(guard, os.path.join(guard.root, text), where, options.text)
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(os.path.join(guard.root, picture), list(captions), where)
        if options.hard_negative_key is None:
            _read_hard_negatives(guard, listing, picture, stems, gather, used)
    return [*used, *listing.pictures]


def _read_hard_negatives(
    guard: Guard,
    listing: Listing,
    picture: str,
    stems: set[str],
    gather: Gather,
    used: dict[str, str],
) -> None:
    """Those in ``NAME.hard_negative.txt`` beside a picture, unless that is the text of another one
    of the ``stems``."""
    stem, ending = os.path.splitext(picture)
    named = f"{stem}.{hard_negatives.NAME}"
    text = listing.text_of(named + ending)
    if text is None or named in stems:
        return
    used[text] = picture
    where = printable(text)
    try:
        texts = _read_text(guard, os.path.join(guard.root, text), where, gather.options.text)
    except BadItem as bad:
        gather.reject(bad)
        return
    gather.add_hard_negatives(os.path.join(guard.root, picture), texts, where)


def _no_pictures(root: str, listing: Listing) -> str:
    endings = sorted({os.path.splitext(path)[1].lower() for path in listing.others} - {""})
    found = "found none"
    if endings:
        found = f"found {len(listing.others)} files of other kinds ({', '.join(endings[:6])})"
    if _UNREAD.intersection(endings):
        found += ": convert them to JPEG or PNG"
    locked = "".join(f"; {bad}" for bad in listing.locked[:3])
    return f"{root}: expected pictures (.jpg, .png, ...), {found}{locked}"


def _no_captions(picture: str, listing: Listing) -> str:
    """Which text is missing, and what is there instead."""
    near = listing.text_near(picture)
    there = f" ({printable(near)} is there)" if near else ""
    return f"has no captions: expected {printable(os.path.splitext(picture)[0])}.txt{there}"


def _read_text(guard: Guard, path: str, where: str, form: str | None) -> list[str]:
    """The captions in the text beside a picture."""
    content = read_small(guard.check(path, where), where, _LARGEST_TEXT, "captions")
    return caption_lines(content, where, form)
