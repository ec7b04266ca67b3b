"""COCO's instances beside its captions: what is where, and which words of a caption name it.

A category is named by its own name, its ``synonyms`` (a list that LVIS and other files give it),
or for COCO's 80 by `csparc.data.naming.SYNONYMS`; in the singular or plural, in either case. A word
of an attribute, such as an annotation's ``"colour": "red"``, names the annotations that have it. A
name stands for all annotations of its category in the picture: COCO does not say which "a dog" is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from csparc._json import read_json
from csparc._text import show
from csparc.data.masks import filled, from_run_lengths
from csparc.data.naming import COLOUR_KEYS, SYNONYMS, Naming
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.text_files import member
from csparc.data.regions import Mention, Region, Regions, box_of, painted
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

ATTRIBUTE_KEYS = (*COLOUR_KEYS, "size", "texture", "material")
"""Keys of an annotation whose texts are attributes; those of an object ``attributes`` are, too."""


class Instances(PictureFiles):
    """Pictures with COCO's captions and instances.

    Parameters
    ----------
    captions : PictureFiles
        What was read of the captions file.
    path : str
        The instances file.
    options : Options
        Those the captions were read with.

    Raises
    ------
    DataError
        Broken file, lists missing, no annotation of any picture, or too many bad entries.
    """

    def __init__(self, captions: PictureFiles, path: str, options: Options) -> None:
        guard, count = captions.guard, len(captions)
        found = {captions.path(index): captions.captions(index) for index in range(count)}
        super().__init__(captions.spec, guard, found, captions.problems, options.max_pixels)
        record = read_json(path, "a COCO instances file")
        problems = BadItems(options.max_bad)
        self._names = _categories(member(record, "categories", list, path), path, problems)
        places = {file: index for index, file in enumerate(found)}
        pictures = {}
        for number, image in enumerate(member(record, "images", list, path)):
            where = f"{path} images[{number}]"
            try:
                file, size = guard.join(_file_name(image), where), _size(image, where)
            except BadItem as bad:
                problems.add(bad)
                continue
            if file in places:
                pictures[image.get("id")] = (places[file], size)
        self._sizes = {index: size for index, size in pictures.values()}
        annotations = member(record, "annotations", list, path)
        self._entries: dict[int, list[tuple[str, dict]]] = {}
        for number, entry in enumerate(annotations):
            where = f"{path} annotations[{number}]"
            try:
                _check(entry, where, self._names)
            except BadItem as bad:
                problems.add(bad)
                continue
            if entry["image_id"] in pictures:
                own = self._entries.setdefault(pictures[entry["image_id"]][0], [])
                own.append((where, entry))
        problems.check(len(annotations) + len(self._names), path)
        if not self._entries:
            raise DataError(f"{path}: expected annotations of the pictures with captions, found "
                            f"none: images are matched by file_name")  # fmt: skip
        self.problems.update(problems)
        self._naming = self._named()

    def _named(self) -> Naming:
        words = {
            name: (name, *synonyms, *SYNONYMS.get(name, ()))
            for name, synonyms in self._names.values()
        }
        entries = (entry for own in self._entries.values() for _, entry in own)
        return Naming(words, {value for entry in entries for _, value in _attributes(entry)})

    @property
    def has_regions(self) -> bool:
        """True: instances are regions."""
        return True

    def regions(self, index: int) -> Regions:
        """The annotations in order, and the words of the captions that name some: NOUN, and ADJ for
        attributes, of which those of a colour are COLOUR once more."""
        entries = self._entries.get(index, [])
        size = self._sizes.get(index) or self.size(index)
        parts = self._parts(entries, size)
        mentions = []
        for number, text in enumerate(self.captions(index)):
            for start, stop, things, attribute in self._naming.found(text):
                own = [k for k, part in enumerate(parts) if part.name in things]
                if own:
                    mentions.append(Mention(number, start, stop, ("NOUN",), tuple(own)))
                    continue
                keys = {key for part in parts for key, value in part.attributes
                        if value == attribute}  # fmt: skip
                own = [k for k, part in enumerate(parts)
                       if any(value == attribute for _, value in part.attributes)]  # fmt: skip
                if own:
                    colour = not keys.isdisjoint(COLOUR_KEYS)
                    groups = ("ADJ", "COLOUR") if colour else ("ADJ",)
                    mentions.append(Mention(number, start, stop, groups, tuple(own)))
        return Regions(size, parts, tuple(mentions))

    def _parts(self, entries: list[tuple[str, dict]], size: tuple[int, int]) -> tuple[Region, ...]:
        """Of each annotation; one whose mask is broken is left out, and noted."""
        parts = []
        for where, entry in entries:
            try:
                parts.append(self._region(where, entry, size))
            except BadItem as bad:
                self.problems.add(bad)
        return tuple(parts)

    def _region(self, where: str, entry: dict, size: tuple[int, int]) -> Region:
        name, _ = self._names[entry["category_id"]]
        crowd = bool(entry.get("iscrowd", 0))
        mask = _mask(where, entry.get("segmentation"), size)
        left, top, width, height = entry.get("bbox") or (0, 0, 0, 0)
        box = (float(left), float(top), float(left + width), float(top + height))
        if entry.get("bbox") is None:
            box = box_of(mask)
        return Region(name, box, mask, tuple(_attributes(entry)), crowd)

    def label_names(self, by: str = "") -> tuple[str, ...]:
        if not by:
            return tuple(name for name, _ in self._names.values())
        entries = (entry for own in self._entries.values() for _, entry in own)
        found = {value for entry in entries for key, value in _attributes(entry) if key == by}
        if not found:
            raise DataError(f"{self.spec}: expected annotations with {by!r}, found none")
        return tuple(sorted(found))

    def label_map(self, index: int, by: str = "") -> np.ndarray:
        regions = self.regions(index)
        parts = regions.parts
        if by:
            parts = [
                Region(value, part.box, part.mask, crowd=part.crowd)
                for part in parts for key, value in part.attributes if key == by
            ]  # fmt: skip
        smaller_last = sorted(parts, key=_area, reverse=True)
        return painted(regions.size, smaller_last, self.label_names(by))


def _categories(
    entries: list, path: str, problems: BadItems
) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Name and synonyms of each category id, in the order of the ids."""
    found = {}
    for number, entry in enumerate(entries):
        where = f"{path} categories[{number}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name.strip() or not _is_whole(entry.get("id")):
            problems.add(BadItem(where, "expected an object with id and name"))
            continue
        if entry["id"] in found:
            raise DataError(f"{where}: expected an id of its own, found {entry['id']} twice")
        words = entry.get("synonyms") or ()
        words = [word.replace("_", " ") for word in words if isinstance(word, str) and word.strip()]
        found[entry["id"]] = (" ".join(name.split()), tuple(words))
    if not found:
        raise DataError(f"{path}: expected categories with id and name, found none")
    return dict(sorted(found.items()))


def _check(entry: Any, where: str, names: dict) -> None:
    """Raise BadItem unless an annotation has a known category and a place."""
    if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), (int, str)):
        raise BadItem(where, "expected an object with image_id, category_id and bbox")
    category = entry.get("category_id")
    if not _is_whole(category) or category not in names:
        raise BadItem(where, f"category_id {show(category, 24)} is not among the categories")
    box = entry.get("bbox")
    if box is not None:
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
            raise BadItem(where, f"expected bbox as four numbers, found {show(box, 40)}")
        if box[2] <= 0 or box[3] <= 0:
            raise BadItem(where, f"expected a bbox of some width and height, found {box}")
    elif not entry.get("segmentation"):
        raise BadItem(where, "expected bbox or segmentation, found neither")


def _mask(where: str, found: Any, size: tuple[int, int]) -> np.ndarray | None:
    """bool [H, W] of polygons or run lengths; None where there are none."""
    if not found:
        return None
    if isinstance(found, dict):
        if found.get("size") != list(size) or not isinstance(found.get("counts"), (list, str)):
            raise BadItem(
                where, f"expected counts and the size {list(size)}, found {show(found, 60)}"
            )
        try:
            return from_run_lengths(found["counts"], size)
        except (ValueError, TypeError) as error:
            raise BadItem(where, str(error)) from error
    polygons = found if isinstance(found, list) else [found]
    for one in polygons:
        numbers = isinstance(one, list) and all(map(_is_finite, one))
        if not numbers or len(one) < 6 or len(one) % 2:
            raise BadItem(
                where, f"expected polygons of three corners or more, found {show(one, 40)}"
            )
    return filled(polygons, size)


def _attributes(entry: dict) -> list[tuple[str, str]]:
    """(key, value) of the attributes of an annotation, values in lower case."""
    given = {key: entry.get(key) for key in ATTRIBUTE_KEYS}
    more = entry.get("attributes")
    given |= more if isinstance(more, dict) else {}
    return [
        (key, value.lower()) for key, value in given.items() if isinstance(value, str) and value
    ]


def _file_name(image: Any) -> Any:
    """LVIS has no file_name, but an address that ends in it."""
    if not isinstance(image, dict):
        return None
    address = image.get("coco_url")
    if image.get("file_name") is None and isinstance(address, str):
        return address.rpartition("/")[2]
    return image.get("file_name")


def _size(image: dict, where: str) -> tuple[int, int]:
    size = image.get("height"), image.get("width")
    if not all(_is_whole(side) and side > 0 for side in size):
        raise BadItem(where, f"expected height and width, found {show(size, 40)}")
    return size


def _area(part: Region) -> float:
    left, top, right, bottom = part.box
    return (right - left) * (bottom - top) if part.mask is None else float(part.mask.sum())


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and abs(value) < 1e9
