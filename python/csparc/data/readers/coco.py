"""COCO's captions file: ``images`` [id, file_name] and ``annotations`` [image_id, caption]."""

from __future__ import annotations

from csparc._json import read_json
from csparc._text import show
from csparc.data.dataset import Gather, Options, PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import member
from csparc.data.report import BadItem


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
    record = read_json(path, "a COCO captions file")
    images = member(record, "images", list, path)
    annotations = member(record, "annotations", list, path)
    guard = Guard(folder, options.allow_outside)
    gather = Gather(options)
    captions: dict[int | str, list[tuple[object, str]]] = {}
    for number, annotation in enumerate(annotations):
        where = f"{path} annotations[{number}]"
        if not isinstance(annotation, dict) or not _is_id(annotation.get("image_id")):
            gather.reject(BadItem(where, "expected an object with image_id and caption"))
            continue
        entry = (annotation.get("caption"), where)
        captions.setdefault(annotation["image_id"], []).append(entry)
    for number, image in enumerate(images):
        where = f"{path} images[{number}]"
        if not isinstance(image, dict) or not _is_id(image.get("id")):
            gather.reject(BadItem(where, "expected an object with id and file_name"))
            continue
        _add_image(guard, gather, image, captions.pop(image["id"], []), where)
    for orphan, entries in captions.items():
        for _, where in entries:
            gather.reject(BadItem(where, f"image_id {show(orphan, 24)} is not among the images"))
    found = gather.finish(path)
    return PictureFiles(spec, guard, found, gather.problems, options.max_pixels)


def _add_image(
    guard: Guard, gather: Gather, image: dict, entries: list[tuple[object, str]], where: str
) -> None:
    try:
        picture = guard.join(image.get("file_name"), where)
    except BadItem as bad:
        gather.reject(bad)
        return
    if not entries:
        gather.add(picture, [], where)
    for caption, named in entries:
        gather.add(picture, [caption], named)


def _is_id(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
