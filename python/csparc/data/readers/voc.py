"""Labels of pixels in the folders of Pascal VOC and Pascal Context.

::

    JPEGImages/NAME.jpg
    SegmentationClass/NAME.png            (Context: SegmentationClassContext)
    ImageSets/Segmentation/SPLIT.txt      (Context: ImageSets/SegmentationContext)
    Annotations/NAME.xml                  boxes, from 1, the last pixel included; may be missing
    class_names.txt, or labelmap.txt      `csparc.data.readers.label_classes`; without one the
                                          classes are VOC's 20, or Context's 59

A label picture holds indices, 0 for the background and 255 for what does not count, or VOC's
colours for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from csparc import _text
from csparc._repr import fields_line
from csparc._text import show
from csparc._whereabouts import absent
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.boxes import read_boxes
from csparc.data.readers.label_classes import BORDER, LabelClasses, label_classes
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import lines
from csparc.data.regions import VOID, Mention, Region, Regions
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

_PICTURES = ("jpg", "jpeg", "png")

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train",
    "tv monitor",
)  # fmt: skip
CONTEXT_CLASSES = (
    "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat", "book", "bottle",
    "building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth", "computer", "cow",
    "cup", "curtain", "dog", "door", "fence", "floor", "flower", "food", "grass", "ground", "horse",
    "keyboard", "light", "motorbike", "mountain", "mouse", "person", "plate", "platform",
    "potted plant", "road", "rock", "sheep", "shelves", "sidewalk", "sign", "sky", "snow", "sofa",
    "dining table", "track", "train", "tree", "truck", "tv monitor", "wall", "water", "window",
    "wood",
)  # fmt: skip
"""In the order of mmsegmentation's 59 labels."""
_JOINED = {name.replace(" ", ""): name for name in VOC_CLASSES}
"""``diningtable`` and the like, as the files write them."""


@dataclass(frozen=True)
class Tree:
    """Where one of the two keeps labels and lists, which year's folder it is, and its classes."""

    labels: str
    lists: str
    year: str
    classes: tuple[str, ...]

    __repr__ = fields_line


VOC = Tree("SegmentationClass", "ImageSets/Segmentation", "VOC2012", VOC_CLASSES)
CONTEXT = Tree(
    "SegmentationClassContext", "ImageSets/SegmentationContext", "VOC2010", CONTEXT_CLASSES
)


def open_voc(spec: str, folder: str, split: str, tree: Tree, options: Options) -> LabelTree:
    """Read the names of a split; ``folder`` is the one with ``JPEGImages``, or ``VOCdevkit`` or
    what holds it.

    Raises
    ------
    DataError
        No such folder or split, nothing left, or too many names without files.
    """
    inside = ("", tree.year, os.path.join("VOCdevkit", tree.year))
    candidates = [os.path.join(folder, place) if place else folder for place in inside]
    root = next((c for c in candidates if os.path.isdir(os.path.join(c, tree.lists))), None)
    if root is None:
        wanted = f"{tree.lists}/{split}.txt"
        found = "none" if os.path.isdir(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected a folder with {wanted}, found {found}")
    path = os.path.join(root, tree.lists, f"{split}.txt")
    guard = Guard(root, options.allow_outside)
    problems = BadItems(options.max_bad)
    found, total = {}, 0
    for number, line in enumerate(lines(path, "a list of pictures"), 1):
        if _text.is_blank(line):
            continue
        total += 1
        name = line.split()[0]
        try:
            found[_picture(guard, name, f"{path} line {number}")] = []
        except BadItem as bad:
            problems.add(bad)
    problems.check(total, path)
    classes = label_classes(root, tree.classes)
    return LabelTree(spec, guard, found, problems, options.max_pixels, tree, classes)


def _picture(guard: Guard, name: str, where: str) -> str:
    """The file of a picture; the first ending where there is none, for the message when it is
    read."""
    paths = [guard.join(f"JPEGImages/{name}.{ending}", where) for ending in _PICTURES]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is None:
        raise BadItem(where, f"expected JPEGImages/{show(name, 60)}.jpg, found no such file")
    return there


class LabelTree(PictureFiles):
    """Pictures with a label for every pixel. Their captions are the names of the classes that they
    show, one each: neither VOC nor Context has sentences."""

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, tree: Tree, classes: LabelClasses,
    ) -> None:  # fmt: skip
        super().__init__(spec, guard, found, problems, max_pixels)
        self._tree, self._classes = tree, classes
        self.has_boxes = os.path.isdir(os.path.join(guard.root, "Annotations"))

    def label_names(self, by: str = "") -> tuple[str, ...]:
        if by:
            raise DataError(f"{self.spec}: expected no classes by {by!r}: there are names alone")
        return self._classes.names

    def label_map(self, index: int, by: str = "") -> np.ndarray:
        self.label_names(by)
        path = self._beside(index, self._tree.labels, "png")
        labels = self._classes.read(
            self.guard.check(path, os.path.basename(path)), os.path.basename(path)
        )
        return np.where(labels == BORDER, VOID, labels.astype(np.int16))

    def captions(self, index: int) -> list[str]:
        if not self._captions[index]:
            if self.has_boxes:
                shown = {part.name for part in self._parts(index)[1]}
            else:
                labels = self.label_map(index)
                shown = {self._classes.names[label - 1] for label in np.unique(labels) if label > 0}
            self._captions[index] = sorted(shown) or ["background"]
        return self._captions[index]

    @property
    def has_regions(self) -> bool:
        """Whether boxes lie beside the labels."""
        return self.has_boxes

    def regions(self, index: int) -> Regions:
        """The boxes; each caption names all those of its class."""
        size, parts = self._parts(index)
        mentions = []
        for number, name in enumerate(self.captions(index)):
            own = tuple(k for k, part in enumerate(parts) if part.name == name)
            if own:
                mentions.append(Mention(number, 0, len(name), ("NOUN",), own))
        return Regions(size, parts, tuple(mentions))

    def _parts(self, index: int) -> tuple[tuple[int, int], tuple[Region, ...]]:
        path = self._beside(index, "Annotations", "xml")
        size, boxes = read_boxes(self.guard.check(path, os.path.basename(path)))
        return size, tuple(
            Region(_JOINED.get(names[0], names[0]), box) for names, box in boxes if box
        )

    def _beside(self, index: int, folder: str, ending: str) -> str:
        stem = os.path.splitext(os.path.basename(self.path(index)))[0]
        inside = os.path.relpath(os.path.dirname(self.path(index)), f"{self.guard.root}/JPEGImages")
        return os.path.normpath(os.path.join(self.guard.root, folder, inside, f"{stem}.{ending}"))
