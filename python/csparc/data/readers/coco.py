"""COCO's captions file: ``images`` [id, file_name] and ``annotations`` [image_id, caption]."""

from __future__ import annotations

from collections import Counter

from csparc._json import read_json
from csparc._text import show
from csparc.data.gather import Gather
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.listing import note_unnamed
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import member, note_repeated
from csparc.data.report import BadItem
from csparc.errors import DataError


def open_coco(spec: str, folder: str, path: str, options: Options) -> PictureFiles:
    """Read a ``captions_*.json``; pictures keep the order of ``images``, captions theirs.

    Parameters
    ----------
    spec : str
        What the data set was opened from.
    folder : str
        Where the pictures lie; ``file_name`` is relative to it.
    path : str
        The captions file.
    options : Options
        `max_captions=5` gives the usual retrieval protocol.

    Raises
    ------
    DataError
        Broken file, lists missing, nothing left or too many bad entries.
    """
    repeated: Counter[str] = Counter()
    record = read_json(path, "a COCO captions file", repeated=repeated)
    images = member(record, "images", list, path)
    annotations = member(record, "annotations", list, path)
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    gather = Gather(options)
    captions = _captions_by_image(annotations, path, gather)
    given: dict[int | float | str, tuple[object, str]] = {}
    named: list[str] = []
    for number, image in enumerate(images):
        where = f"{path} images[{number}]"
        if not isinstance(image, dict) or not _is_id(image.get("id")):
            gather.reject(BadItem(where, "expected an object with id and file_name"))
            continue
        file, entry = image.get("file_name"), where.rpartition(" ")[2]
        if image["id"] in given:
            _check_again(path, image["id"], file, entry, given[image["id"]])
            gather.problems.note(f"{path}: some images are listed twice, the first is {entry}")
            continue
        given[image["id"]] = (file, entry)
        named += _add_image(guard, gather, image, captions.pop(image["id"], []), where)
    for orphan, entries in captions.items():
        for _, where in entries:
            gather.reject(BadItem(where, f"image_id {show(orphan, 24)} is not among the images"))
    found = gather.finish(path)
    _note_same_file(path, given, gather)
    note_repeated(path, repeated, gather.problems)
    note_unnamed(folder, named, path, gather.problems)
    return PictureFiles(spec, guard, found, gather.problems, options.max_pixels)


def _captions_by_image(
    annotations: list, path: str, gather: Gather
) -> dict[int | float | str, list[tuple[object, str]]]:
    """(caption, where it stands) of each image_id, in order."""
    captions: dict[int | float | str, list[tuple[object, str]]] = {}
    ids: set[object] = set()
    again = 0
    for number, annotation in enumerate(annotations):
        where = f"{path} annotations[{number}]"
        if not isinstance(annotation, dict) or not _is_id(annotation.get("image_id")):
            gather.reject(BadItem(where, "expected an object with image_id and caption"))
            continue
        own = annotation.get("id")
        if _is_id(own):
            again += own in ids
            ids.add(own)
        entry = (annotation.get("caption"), where)
        captions.setdefault(annotation["image_id"], []).append(entry)
    if again:
        gather.problems.note(
            f"{path}: {again} annotations have the id of another one; all captions are used",
            warn=True,
        )
    return captions


def _check_again(
    path: str, key: object, file: object, where: str, before: tuple[object, str]
) -> None:
    """Refuse an id that stands for two pictures: whose the captions are nobody knows."""
    if file != before[0]:
        raise DataError(
            f"{path}: expected an id of its own for each image, found {show(key, 24)} twice: "
            f"{before[1]} is {show(before[0], 60)}, {where} is {show(file, 60)}"
        )


def _note_same_file(
    path: str, given: dict[int | float | str, tuple[object, str]], gather: Gather
) -> None:
    files = Counter(file for file, _ in given.values() if isinstance(file, str))
    several = [file for file, count in files.items() if count > 1]
    if several:
        gather.problems.note(
            f"{path}: {len(several)} pictures have more than one id, the first is "
            f"{show(several[0], 60)}; their captions are put together",
            warn=True,
        )


def _add_image(
    guard: Guard, gather: Gather, image: dict, entries: list[tuple[object, str]], where: str
) -> list[str]:
    """Hand on the captions of an image; returns its path, unless it is bad."""
    try:
        picture = guard.join(image.get("file_name"), where)
    except BadItem as bad:
        gather.reject(bad)
        return []
    if not entries:
        gather.add(picture, [], where)
    for caption, named in entries:
        gather.add(picture, [caption], named)
    return [picture]


def _is_id(value: object) -> bool:
    """Whether an id is one: a whole number (as a float, too, as data frames write it) or a text."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, (int, str)) and not isinstance(value, bool)
