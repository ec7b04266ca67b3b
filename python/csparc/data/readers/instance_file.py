"""Files of instances as COCO writes them, and LVIS and Objects365 after it.

``images`` [id, height, width, file_name], ``annotations`` [image_id, category_id, bbox,
segmentation] and ``categories`` [id, name]. LVIS has addresses (``coco_url``) for names of files,
says of each picture which categories were looked for and are not there (``neg_category_ids``) and
which are marked in part (``not_exhaustive_category_ids``), and of each category its ``synonyms``
and its ``frequency``. Objects365 names folders that its archives do not unpack to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from csparc._json import read_json
from csparc._repr import fields_line
from csparc._text import is_blank, show
from csparc.data.naming import SYNONYMS
from csparc.data.options import Options
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import member
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

FREQUENCIES = ("r", "c", "f")
"""LVIS's rare, common and frequent categories."""


@dataclass(frozen=True)
class Category:
    """A category: its name, what captions call it, and its ``frequency`` where the file has one."""

    name: str
    words: tuple[str, ...]
    frequency: str | None = None

    __repr__ = fields_line


@dataclass
class Marked:
    """What a file says of one picture: its size, its annotations with where each stands, and the
    categories that are known to be absent, where it lists them, or marked in part."""

    size: tuple[int, int]
    entries: list[tuple[str, dict]] = field(default_factory=list)
    absent: tuple[str, ...] | None = None
    unfinished: tuple[str, ...] = ()

    __repr__ = fields_line


class InstanceFile:
    """The record of a file of instances.

    Parameters
    ----------
    path : str
        The file.
    options : Options
        How bad entries are judged.

    Attributes
    ----------
    categories : dict
        id -> `Category`, in the order of the ids.
    problems : BadItems
        Entries that were left out.

    Raises
    ------
    DataError
        Broken file, a list that is missing, no categories, an id of two categories.
    """

    def __init__(self, path: str, options: Options) -> None:
        self.path = path
        self.problems = BadItems(options.max_bad)
        self._max_pixels = options.max_pixels
        record = read_json(path, "a COCO instances file")
        listed = member(record, "categories", list, path)
        self.categories = _categories(listed, path, self.problems)
        self._images = member(record, "images", list, path)
        self._annotations = member(record, "annotations", list, path)
        self._total = len(listed) + len(self._images) + len(self._annotations)

    def marked(self, guard: Guard, known: Iterable[str] | None = None) -> dict[str, Marked]:
        """Of each picture's file what is marked in it; of the ``known`` files alone, where given.

        Raises
        ------
        DataError
            An id of two pictures, too many bad entries.
        """
        there = None if known is None else set(known)
        found: dict[str, Marked] = {}
        pictures: dict[int | str, str] = {}
        given: dict[int | str, tuple[object, str]] = {}
        for number, image in enumerate(self._images):
            where = f"{self.path} images[{number}]"
            try:
                key, named = _id(image, "id", where), _file_name(image)
                before = given.setdefault(key, (named, where))
                if before[0] != named:
                    raise DataError(
                        f"{where}: expected an id of its own, found {show(key, 24)} of "
                        f"{show(before[0], 60)}, too"
                    )
                size = self._size(image, where)
                path = _placed(guard, named, there, where)
            except BadItem as bad:
                self.problems.add(bad)
                continue
            if there is None or path in there:
                pictures[key] = path
                found.setdefault(path, self._about(image, size))
        for where, entry in self._checked(given):
            if entry["image_id"] in pictures:
                found[pictures[entry["image_id"]]].entries.append((where, entry))
        self.problems.check(self._total, self.path)
        return found

    def _size(self, image: dict, where: str) -> tuple[int, int]:
        size = image.get("height"), image.get("width")
        if not all(is_whole(side) and side > 0 for side in size):
            raise BadItem(where, f"expected height and width, found {show(size, 40)}")
        if size[0] * size[1] > self._max_pixels:
            raise BadItem(
                where, f"expected at most {self._max_pixels} pixels, found {show(size, 40)}"
            )
        return size

    def _about(self, image: dict, size: tuple[int, int]) -> Marked:
        absent = self._names(image.get("neg_category_ids"))
        return Marked(size, [], absent, self._names(image.get("not_exhaustive_category_ids")) or ())

    def _names(self, ids: Any) -> tuple[str, ...] | None:
        """The names of those that are ids of categories; None where there is no list."""
        if not isinstance(ids, list):
            return None
        known = [one for one in ids if is_whole(one) and one in self.categories]
        return tuple(dict.fromkeys(self.categories[one].name for one in known))

    def _checked(self, images: dict) -> Iterator[tuple[str, dict]]:
        """The annotations that can be used, each with where it stands."""
        for number, entry in enumerate(self._annotations):
            where = f"{self.path} annotations[{number}]"
            try:
                _check(entry, where, self.categories)
                if entry["image_id"] not in images:
                    found = show(entry["image_id"], 24)
                    raise BadItem(where, f"image_id {found} is not among the images")
            except BadItem as bad:
                self.problems.add(bad)
                continue
            yield where, entry


def _categories(entries: list, path: str, problems: BadItems) -> dict[int, Category]:
    found = {}
    for number, entry in enumerate(entries):
        where = f"{path} categories[{number}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or is_blank(name) or not is_whole(entry.get("id")):
            problems.add(BadItem(where, "expected an object with id and name"))
            continue
        if entry["id"] in found:
            raise DataError(f"{where}: expected an id of its own, found {entry['id']} twice")
        found[entry["id"]] = _category(entry)
    if not found:
        raise DataError(f"{path}: expected categories with id and name, found none")
    return dict(sorted(found.items()))


def _category(entry: dict) -> Category:
    """LVIS joins words by underscores; Objects365 has several names parted by a slash."""
    name = _spoken(entry["name"])
    parts = [part for part in name.split("/") if not is_blank(part)]
    more = entry.get("synonyms")
    synonyms = more if isinstance(more, list) else []
    synonyms = [_spoken(word) for word in synonyms if isinstance(word, str) and not is_blank(word)]
    words = (name, *parts, *synonyms, *SYNONYMS.get(name.lower(), ()))
    frequency = entry.get("frequency")
    known = isinstance(frequency, str) and frequency in FREQUENCIES
    return Category(name, tuple(dict.fromkeys(words)), frequency if known else None)


def _spoken(name: str) -> str:
    return " ".join(name.replace("_", " ").split()) or name


def _check(entry: Any, where: str, categories: dict[int, Category]) -> None:
    """Raise BadItem unless an annotation has a picture, a known category and a place."""
    _id(entry, "image_id", where)
    category = entry.get("category_id")
    if not is_whole(category) or category not in categories:
        raise BadItem(where, f"category_id {show(category, 24)} is not among the categories")
    box = entry.get("bbox")
    if box is not None:
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
            raise BadItem(where, f"expected bbox as four numbers, found {show(box, 40)}")
        if box[2] <= 0 or box[3] <= 0:
            raise BadItem(where, f"expected a bbox of some width and height, found {box}")
    elif not entry.get("segmentation"):
        raise BadItem(where, "expected bbox or segmentation, found neither")


def _id(entry: Any, key: str, where: str) -> int | str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not is_whole(value) and not isinstance(value, str):
        wanted = {"id": "id and file_name", "image_id": "image_id, category_id and bbox"}[key]
        raise BadItem(where, f"expected an object with {wanted}")
    return value


def _file_name(image: dict) -> Any:
    """LVIS has no file_name, but an address that ends in it."""
    address = image.get("coco_url")
    if image.get("file_name") is None and isinstance(address, str):
        return address.partition("://")[2].partition("/")[2]
    return image.get("file_name")


def _placed(guard: Guard, named: Any, known: set[str] | None, where: str) -> str:
    """The file of a picture: by its whole name, else without the first folders of it, as these may
    be of an archive's making, else by its whole name."""
    whole = guard.join(named, where)
    parts = named.split("/")
    path, first = whole, 0
    while not (os.path.lexists(path) if known is None else path in known):
        first += 1
        if first >= len(parts) or is_blank(parts[-1]):
            return whole
        path = guard.join("/".join(parts[first:]), where)
    return path


def is_whole(value: object) -> bool:
    """Whether it is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Whether it is a number that a place in a picture can be."""
    return (is_whole(value) or isinstance(value, float)) and abs(value) < 1e9
