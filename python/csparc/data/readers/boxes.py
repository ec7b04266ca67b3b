"""Boxes in XML, as Pascal VOC and Flickr30k Entities write them."""

from __future__ import annotations

import os
from xml.etree import ElementTree

from csparc._text import reason_of, show
from csparc.data.readers.paths import read_small
from csparc.data.report import BadItem

_LARGEST = 1 << 24

Box = tuple[float, float, float, float]


def read_boxes(path: str) -> tuple[tuple[int, int], list[tuple[list[str], Box | None]]]:
    """Height and width of the picture; of each object its names and its box, or None.

    The file counts pixels from 1 and includes the last one; the box returned is left, top, right
    and bottom from 0, the last two excluded.

    Raises
    ------
    BadItem
        Broken XML, a size or a box that is none.
    """
    name = os.path.basename(path)
    root = _parsed(path, name)
    size = _size(root, name)
    objects = []
    for number, entry in enumerate(root.iter("object")):
        names = [" ".join(one.text.split()) for one in entry.findall("name") if one.text]
        if not names:
            raise BadItem(name, f"object {number}: expected a name, found none")
        bounds = entry.find("bndbox")
        where = f"object {number} ({show(names[0], 24)})"
        objects.append((names, None if bounds is None else _box(bounds, name, where)))
    return size, objects


def _parsed(path: str, name: str) -> ElementTree.Element:
    content = read_small(path, name, _LARGEST, "boxes")
    if b"<!ENTITY" in content:
        raise BadItem(name, "expected plain XML, found definitions of entities")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadItem(name, f"expected XML, found none: {reason_of(error)}") from error


def _size(root: ElementTree.Element, name: str) -> tuple[int, int]:
    values = [_number(root.find("size"), side) for side in ("height", "width")]
    if not all(value is not None and value >= 1 and value == int(value) for value in values):
        raise BadItem(name, f"expected size with height and width, found {values}")
    return int(values[0]), int(values[1])


def _box(bounds: ElementTree.Element, name: str, where: str) -> Box:
    values = [_number(bounds, side) for side in ("xmin", "ymin", "xmax", "ymax")]
    if None in values:
        raise BadItem(name, f"{where}: expected xmin, ymin, xmax and ymax, found {values}")
    left, top, right, bottom = values
    if right < left or bottom < top:
        raise BadItem(name, f"{where}: expected a box of some width and height, found {values}")
    return left - 1, top - 1, right, bottom


def _number(parent: ElementTree.Element | None, key: str) -> float | None:
    """The finite number in a child element; None where there is none."""
    text = None if parent is None else parent.findtext(key)
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < 1e9 else None
