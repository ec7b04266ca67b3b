"""Which class each number or colour of a label picture is.

``class_names.txt``, as LabelMe writes it: a class a line, the background first; pictures hold
numbers, or VOC's colours for them. ``labelmap.txt``, as CVAT and Datumaro write it: lines
``NAME:RED,GREEN,BLUE:PARTS:ACTIONS``, where ``#`` begins a remark; pictures hold these colours, or
where lines have none, numbers or VOC's colours in the order of the lines.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import numpy as np

from csparc import _text
from csparc._repr import fields_line
from csparc._text import show
from csparc.data import images
from csparc.data.readers.text_files import lines
from csparc.data.report import BadItem
from csparc.errors import DataError

BACKGROUND = "_background_"
BORDER = 255
CLASS_FILE = "class_names.txt"
MAP_FILE = "labelmap.txt"
_BACKGROUNDS = (BACKGROUND, "background")
_IGNORED = "__ignore__"


@functools.cache
def palette() -> bytes:
    """The colours of indices 0 to 255 in VOC's label pictures, 768 bytes: the bits of an index,
    from the lowest, go in turn to red, green and blue, from their highest."""
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            own = (index >> (3 * bit + channel)) & 1
            colours[:, channel] |= (own << (7 - bit)).astype(np.uint8)
    return colours.tobytes()


@dataclass(frozen=True)
class LabelClasses:
    """The ``names`` of the classes 1, 2, ...; and of a file with colours, that of the background
    and of each class, (red, green, blue)."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] | None = None

    __repr__ = fields_line

    def read(self, file: str, name: str) -> np.ndarray:
        """uint8 [H, W]: 0 the background, the number of a class, or 255 for what does not count.

        Raises
        ------
        BadItem
            No picture, or one of other colours, numbers or kinds of pixels.
        """
        picture = images.stored(file, name)
        if picture.mode == "L" or (picture.mode == "P" and self.colours is None):
            labels = np.asarray(picture, dtype=np.uint8)
        elif picture.mode in ("P", "RGB", "RGBA"):
            labels = self._of_colours(np.asarray(picture.convert("RGB")), name)
        else:
            raise BadItem(name, f"expected indices or VOC's colours, found the mode {picture.mode}")
        counted = labels[labels != BORDER]
        if counted.size and counted.max() > len(self.names):
            raise BadItem(
                name,
                f"expected labels from 0 to {len(self.names)} and {BORDER}, found {counted.max()}",
            )
        return labels

    def _of_colours(self, pixels: np.ndarray, name: str) -> np.ndarray:
        vocs = np.frombuffer(palette(), np.uint8).reshape(256, 3)
        own = vocs[:BORDER] if self.colours is None else np.array(self.colours, np.uint8)
        known = _packed(np.concatenate([own, vocs[BORDER:]]))
        colours = _packed(pixels)
        order = np.argsort(known, kind="stable")
        place = np.searchsorted(known[order], colours).clip(0, len(known) - 1)
        found = order[place]
        if (known[found] != colours).any():
            red, green, blue = pixels[known[found] != colours][0]
            whose = "VOC's colours" if self.colours is None else f"the colours of {MAP_FILE}"
            raise BadItem(name, f"expected {whose}, found ({red}, {green}, {blue})")
        return np.where(found == len(own), BORDER, found).astype(np.uint8)


def _packed(colours: np.ndarray) -> np.ndarray:
    return colours.astype(np.uint32) @ np.array((1 << 16, 1 << 8, 1), np.uint32)


def label_classes(root: str, names: tuple[str, ...]) -> LabelClasses:
    """What a file in the folder ``root`` says of the classes; without one they have ``names``.

    Raises
    ------
    DataError
        A broken file.
    """
    path = os.path.join(root, CLASS_FILE)
    if os.path.isfile(path):
        found = [_text.one_line(line) for line in lines(path, "names of classes")]
        found = [name for name in found if name and name != _IGNORED]
        if not found or found[0] not in _BACKGROUNDS:
            first = show(found[0], 40) if found else "an empty file"
            raise DataError(f"{path}: expected {BACKGROUND} on the first line, found {first}")
        return LabelClasses(_checked(path, found))
    path = os.path.join(root, MAP_FILE)
    return _read_map(path) if os.path.isfile(path) else LabelClasses(names)


def _read_map(path: str) -> LabelClasses:
    """The background may stand on any line; without colours, where lines are numbers, on the
    first."""
    given = {}
    for number, line in enumerate(lines(path, "a map of labels"), 1):
        text = _text.one_line(line)
        if not text or text.startswith("#"):
            continue
        name, *more = text.split(":")
        name = _text.one_line(name)
        where = f"{path} line {number}"
        if not name or len(more) != 3 or name in given:
            raise DataError(
                f"{where}: expected NAME:RED,GREEN,BLUE:PARTS:ACTIONS, of a name of its own, found "
                f"{show(text, 60)}"
            )
        given[name] = _colour(more[0], where)
    background = next((name for name in given if name in _BACKGROUNDS), None)
    coloured = [name for name, colour in given.items() if colour is not None]
    if background is None or (not coloured and next(iter(given)) != background):
        raise DataError(f"{path}: expected a line of the background, before all without colours")
    if coloured and (len(coloured) < len(given) or len(set(given.values())) < len(given)):
        raise DataError(f"{path}: expected a colour of its own for every name, or for none")
    order = [background, *(name for name in given if name != background)]
    colours = tuple(given[name] for name in order) if coloured else None
    return LabelClasses(_checked(path, order), colours)


def _colour(text: str, where: str) -> tuple[int, int, int] | None:
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    whole = [part.isascii() and part.isdigit() and int(part) < 256 for part in parts]
    if len(parts) != 3 or not all(whole):
        raise DataError(f"{where}: expected three numbers from 0 to 255, found {show(text, 40)}")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _checked(path: str, names: list[str]) -> tuple[str, ...]:
    """The names without that of the background, which is the first."""
    if len(set(names)) < len(names) or not 1 < len(names) <= BORDER:
        raise DataError(f"{path}: expected 1 to 254 classes of different names behind {names[0]}")
    return tuple(names[1:])
