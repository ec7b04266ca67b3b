"""Pictures of classes: a folder a class, as ImageNet and its variants are published, or a table.

====================================  ============================================================
``DIR/<class>/NAME.jpg``              ImageNet, -R, -A, -Sketch; ImageNet-V2, whose folders are
                                      numbers and are counted as such
``DIR/<corruption>/<1..5>/<class>/``  ImageNet-C
``path,label``                        a table; rows of one path are its several labels
====================================  ============================================================
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from csparc import _text
from csparc._text import show
from csparc._whereabouts import absent, expanded
from csparc.data.gather import Gather
from csparc.data.images import MAX_PIXELS
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers import table
from csparc.data.readers.class_names import ClassNames, looks_like_wnids, read_class_names
from csparc.data.readers.listing import list_folder
from csparc.data.readers.paths import Guard, printable
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

NAMES_FILES = ("classnames.json", "classnames.txt")
"""Looked for in the folder where no file is named."""
SEVERITIES = ("1", "2", "3", "4", "5")
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
"""What folders of several splits are called."""
_PATHS = ("path", "filepath", "file_name", "filename", "image")
_LABELS = ("label", "class", "title")


class LabelledPictures(PictureFiles):
    """Pictures with the classes each is of; the captions of a picture are their names.

    Attributes
    ----------
    classes : tuple of str
        The names of all classes, in their order.
    present : list of int
        The classes that have a folder or a row here: subsets such as ImageNet-R have 200 of 1000.
    """

    def __init__(
        self,
        spec: str,
        guard: Guard,
        labels: dict[str, list[int]],
        classes: Sequence[str],
        problems: BadItems,
        max_pixels: int = MAX_PIXELS,
        conditions: dict[str, tuple[str, str]] | None = None,
        present: Sequence[int] | None = None,
    ) -> None:
        self.classes = tuple(classes)
        found = {path: [self.classes[one] for one in own] for path, own in labels.items()}
        super().__init__(spec, guard, found, problems, max_pixels)
        self._labels = list(labels.values())
        self._conditions = None if conditions is None else [conditions[path] for path in labels]
        some = {one for own in self._labels for one in own}
        self.present = sorted(some if present is None else present)

    def labels(self, index: int) -> list[int]:
        """The classes of picture `index`, as numbers of `classes`."""
        return self._labels[index]

    def condition(self, index: int) -> tuple[str, str] | None:
        """The corruption and severity of picture `index`, where the folders have them."""
        return None if self._conditions is None else self._conditions[index]

    @property
    def several(self) -> bool:
        """Whether any picture is of several classes."""
        return any(len(own) > 1 for own in self._labels)


def open_class_folders(spec: str, folder: str, options: Options) -> LabelledPictures:
    """Read a folder that has a folder for each class.

    The names of the classes come from the file the options name (``classes=FILE``), else from
    `NAMES_FILES` in the folder, else they are the folders' own with blanks for underscores.

    Raises
    ------
    DataError
        No such folder, pictures outside of classes, folders called by wnids without names, a folder
        of splits.
    """
    if not os.path.isdir(folder):
        found = "a file" if os.path.isfile(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected a folder of classes, found {found}")
    guard = Guard(folder, options.allow_outside)
    listing = list_folder(guard.root, options.allow_outside)
    problems = BadItems(options.max_bad)
    for bad in listing.locked:
        problems.add(bad)
    parts = {picture: picture.split(os.sep)[:-1] for picture in listing.pictures}
    corrupted = any(len(part) > 2 and part[1] in SEVERITIES for part in parts.values())
    at = 2 if corrupted else 0
    placed = {}
    for picture, part in parts.items():
        if len(part) <= at:
            problems.add(BadItem(printable(picture), "expected a picture in the folder of a class"))
        elif corrupted and part[1] not in SEVERITIES:
            reason = f"expected a severity from 1 to 5, found {show(part[1], 24)}"
            problems.add(BadItem(printable(picture), reason))
        else:
            placed[picture] = part
    problems.check(max(1, len(parts)), folder)
    folders = _in_order({part[at] for part in placed.values()} | _empty_classes(guard.root, at))
    if placed and SPLITS.issuperset(folders) and all(len(part) > 1 for part in placed.values()):
        raise DataError(
            f"{folder}: expected a folder of classes, found one of splits ({', '.join(folders)}): "
            f"open one of them, imagenet:{os.path.join(folder, folders[-1])}"
        )
    names = _names_of(guard, options, folders)
    numbers = dict(zip(folders, names.numbers(folders)))
    labels = {os.path.join(guard.root, p): [numbers[part[at]]] for p, part in placed.items()}
    conditions = None
    if corrupted:
        conditions = {os.path.join(guard.root, p): (part[0], part[1]) for p, part in placed.items()}
    _note_same_names(names.path, names.names, problems)
    return LabelledPictures(
        spec, guard, labels, names.names, problems, options.max_pixels, conditions,
        sorted(numbers.values()),
    )  # fmt: skip


def _empty_classes(root: str, at: int) -> set[str]:
    """Folders of classes that hold no picture: they are still answers."""
    if at:
        return set()
    return {one.name for one in os.scandir(root) if one.is_dir() and not one.name.startswith(".")}


def _in_order(folders: set[str]) -> list[str]:
    """By number where all are numbers, else by their code points."""
    if all(folder.isascii() and folder.isdigit() for folder in folders):
        return sorted(folders, key=int)
    return sorted(folders)


def _names_of(guard: Guard, options: Options, folders: list[str]) -> ClassNames:
    if options.classes is not None:
        return read_class_names(os.path.join(guard.root, expanded(options.classes)))
    for name in NAMES_FILES:
        path = os.path.join(guard.root, name)
        if os.path.isfile(path):
            return read_class_names(path)
    if not folders:
        raise DataError(
            f"{guard.root}: expected a folder of pictures for each class, found no folder with "
            f"pictures in it"
        )
    if looks_like_wnids(folders) or all(folder.isdigit() for folder in folders):
        raise DataError(
            f"{guard.root}: expected the names of the classes, found folders such as {folders[0]}: "
            f"name a file with ;classes=FILE, or put {NAMES_FILES[0]} there"
        )
    names = tuple(folder.replace("_", " ") for folder in folders)
    return ClassNames(guard.root, tuple(folders), names)


def open_label_table(spec: str, path: str, options: Options) -> LabelledPictures:
    """Read a table of paths (relative to the table's folder) and labels, a row a label.

    A label is a key, a name or a number of the classes in ``classes=FILE``; without it the classes
    are the labels that occur, in order.

    Raises
    ------
    DataError
        Broken file, columns missing, nothing left or too many bad rows.
    """
    guard = table.guard_of(path, options)
    gather = Gather(options)
    keys = table.Keys.of(options, _PATHS, _LABELS)
    separator = "\t" if path.lower().endswith(".tsv") else ","
    names = None
    if options.classes is not None:
        names = read_class_names(os.path.join(guard.root, expanded(options.classes)))
    for where, name, label, _ in table.pairs(path, separator, keys, options, gather.problems):
        try:
            if isinstance(name, BadItem):
                raise name
            picture = guard.join(name, where)
            if names is not None:
                label = names.names[_number(label, names, where)]
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(picture, [label], where)
    found = gather.finish(path)
    classes = names.names if names else sorted({one for own in found.values() for one in own})
    number = {name: place for place, name in reversed(list(enumerate(classes)))}
    labels = {file: sorted({number[one] for one in own}) for file, own in found.items()}
    present = None if names is None else range(len(classes))
    return LabelledPictures(
        spec, guard, labels, classes, gather.problems, options.max_pixels, present=present
    )


def _number(label: str, names: ClassNames, where: str) -> int:
    text = _text.trimmed(label)
    for known in (names.keys or (), names.names):
        if text in known:
            return known.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(names.names):
        return int(text)
    raise BadItem(where, f"expected a label among the classes of {names.path}, found {show(text)}")


def _note_same_names(path: str, names: Sequence[str], problems: BadItems) -> None:
    same = [name for name, count in Counter(names).items() if count > 1]
    if same:
        problems.note(
            f"{path}: {len(same)} names are of several classes, such as {show(same[0], 40)}: the "
            "first of them is guessed",
            warn=True,
        )
