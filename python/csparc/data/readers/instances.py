"""Instances as COCO writes them: what is where, and which words of a caption name it.

Beside captions a category is named by its own name, its ``synonyms`` (a list that LVIS and other
files give it), or for COCO's 80 by `csparc.data.naming.SYNONYMS`; in the singular or plural, in
either case. A word of an attribute, such as an annotation's ``"colour": "red"``, names the
annotations that have it. A name stands for all annotations of its category in the picture: COCO
does not say which "a dog" is. Without captions the names of the categories that a picture shows are
its captions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from csparc._text import show
from csparc.data.masks import filled, from_run_lengths
from csparc.data.naming import COLOUR_KEYS, Naming
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.instance_file import InstanceFile, Marked, is_finite
from csparc.data.readers.paths import Guard
from csparc.data.regions import Mention, Region, Regions, box_of, painted
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

ATTRIBUTE_KEYS = (*COLOUR_KEYS, "size", "texture", "material")
"""Keys of an annotation whose texts are attributes; those of an object ``attributes`` are, too."""
NOTHING = "background"
"""The caption of a picture in which nothing is marked, where captions are names."""


def open_captioned_instances(captions: PictureFiles, path: str, options: Options) -> Instances:
    """Read the instances of the pictures of a captions file.

    Parameters
    ----------
    captions : PictureFiles
        What was read of the captions file.
    path : str
        The instances file; its pictures are matched by their files.
    options : Options
        Those the captions were read with.

    Raises
    ------
    DataError
        Broken file, lists missing, no annotation of any picture, or too many bad entries.
    """
    found = {captions.path(index): captions.captions(index) for index in range(len(captions))}
    file = InstanceFile(path, options)
    marked = file.marked(captions.guard, found)
    if not any(one.entries for one in marked.values()):
        raise DataError(
            f"{path}: expected annotations of the pictures with captions, found none: images are "
            "matched by file_name"
        )
    captions.problems.update(file.problems)
    return Instances(captions.spec, captions.guard, found, captions.problems, options.max_pixels,
                     file, marked)  # fmt: skip


def open_instances(spec: str, folder: str, path: str, options: Options) -> Instances:
    """Read a file of instances alone: COCO's, LVIS's, Objects365's.

    Parameters
    ----------
    spec : str
        What the data set was opened from.
    folder : str
        Where the pictures lie. Of a file's name in the record first folders may be missing there:
        ``images/v1/patch8/NAME.jpg`` is ``patch8/NAME.jpg``, or ``NAME.jpg``.
    path : str
        The instances file.

    Raises
    ------
    DataError
        Broken file, lists missing, no pictures, or too many bad entries.
    """
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    file = InstanceFile(path, options)
    marked = file.marked(guard)
    if not marked:
        raise DataError(f"{path}: expected images with id, file_name, height and width, found none")
    found = {}
    for picture, one in marked.items():
        shown = {file.categories[entry["category_id"]].name for _, entry in one.entries}
        found[picture] = sorted(shown) or [NOTHING]
    return Instances(spec, guard, found, file.problems, options.max_pixels, file, marked,
                     captions_are_names=True)  # fmt: skip


class Instances(PictureFiles):
    """Pictures with instances.

    Attributes
    ----------
    frequencies : dict
        The frequency ``"r"``, ``"c"`` or ``"f"`` of each category that the file gives one, as LVIS
        does.
    """

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, file: InstanceFile, marked: dict[str, Marked],
        captions_are_names: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(spec, guard, found, problems, max_pixels)
        self._categories = file.categories
        self._marked = {index: marked[path] for index, path in enumerate(found) if path in marked}
        self.frequencies = {
            one.name: one.frequency for one in file.categories.values() if one.frequency is not None
        }
        self._naming = None if captions_are_names else self._named()

    def _named(self) -> Naming:
        words = {one.name: one.words for one in self._categories.values()}
        return Naming(words, {value for _, value in self._all_attributes()})

    def _all_attributes(self) -> list[tuple[str, str]]:
        marked = self._marked.values()
        return [pair for one in marked for _, entry in one.entries for pair in _attributes(entry)]

    @property
    def has_regions(self) -> bool:
        """True: instances are regions."""
        return True

    def regions(self, index: int) -> Regions:
        """The annotations in order, and the words of the captions that name some: NOUN, and ADJ for
        attributes, of which those of a colour are COLOUR once more."""
        one = self._marked.get(index) or Marked(self.size(index))
        parts = self._parts(one)
        mentions = [
            mention
            for number, text in enumerate(self.captions(index))
            for mention in self._mentions(number, text, parts)
        ]
        return Regions(one.size, parts, tuple(mentions), absent=one.absent,
                       unfinished=one.unfinished)  # fmt: skip

    def _mentions(self, number: int, text: str, parts: tuple[Region, ...]) -> list[Mention]:
        if self._naming is None:
            own = tuple(k for k, part in enumerate(parts) if part.name == text)
            return [Mention(number, 0, len(text), ("NOUN",), own)] if own else []
        mentions = []
        for start, stop, things, attribute in self._naming.found(text):
            own = tuple(k for k, part in enumerate(parts) if part.name in things)
            if own:
                mentions.append(Mention(number, start, stop, ("NOUN",), own))
                continue
            having = [(k, key) for k, part in enumerate(parts) for key, value in part.attributes
                      if value == attribute]  # fmt: skip
            if having:
                colour = not {key for _, key in having}.isdisjoint(COLOUR_KEYS)
                groups = ("ADJ", "COLOUR") if colour else ("ADJ",)
                own = tuple(dict.fromkeys(k for k, _ in having))
                mentions.append(Mention(number, start, stop, groups, own))
        return mentions

    def _parts(self, one: Marked) -> tuple[Region, ...]:
        """Of each annotation; one whose mask is broken is left out, and noted."""
        parts = []
        for where, entry in one.entries:
            try:
                parts.append(self._region(where, entry, one.size))
            except BadItem as bad:
                self.problems.add(bad)
        return tuple(parts)

    def _region(self, where: str, entry: dict, size: tuple[int, int]) -> Region:
        name = self._categories[entry["category_id"]].name
        crowd = bool(entry.get("iscrowd", 0))
        mask = _mask(where, entry.get("segmentation"), size)
        left, top, width, height = entry.get("bbox") or (0, 0, 0, 0)
        box = (float(left), float(top), float(left + width), float(top + height))
        if entry.get("bbox") is None:
            box = box_of(mask)
        return Region(name, box, mask, tuple(_attributes(entry)), crowd)

    def label_names(self, by: str = "") -> tuple[str, ...]:
        if not by:
            return tuple(one.name for one in self._categories.values())
        found = {value for key, value in self._all_attributes() if key == by}
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
        numbers = isinstance(one, list) and all(map(is_finite, one))
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


def _area(part: Region) -> float:
    left, top, right, bottom = part.box
    return (right - left) * (bottom - top) if part.mask is None else float(part.mask.sum())
