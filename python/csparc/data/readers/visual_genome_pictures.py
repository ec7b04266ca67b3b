"""What Visual Genome's files have in common: pictures called by their ids, and boxes.

Pictures lie in the folder itself, in ``VG_100K`` or in ``VG_100K_2``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from csparc._text import show
from csparc.data.gather import Gather
from csparc.data.readers.paths import Guard
from csparc.data.report import BadItem

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_FOLDERS = ("", "VG_100K", "VG_100K_2")
_PICTURES = ("jpg", "png")


def each_picture(
    guard: Guard, path: str, record: list, key: str, gather: Gather
) -> Iterator[tuple[str, str, list]]:
    """File, place in the record and list ``key`` of each picture; bad ones are rejected."""
    seen: set[str] = set()
    for number, entry in enumerate(record):
        where = f"{path} [{number}]"
        try:
            picture = _picture(guard, entry, key, where)
            if picture in seen:
                name = os.path.basename(picture)
                raise BadItem(where, f"the picture {show(name, 24)} is there twice")
        except BadItem as bad:
            gather.reject(bad)
            continue
        seen.add(picture)
        yield picture, where, entry[key]


def _picture(guard: Guard, entry: object, key: str, where: str) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get(key), list):
        raise BadItem(where, f"expected an object with id and {key}")
    number = entry.get("image_id", entry.get("id"))
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadItem(where, f"expected id as a whole number, found {show(number, 24)}")
    names = [os.path.join(f, f"{number}.{ending}") for f in _FOLDERS for ending in _PICTURES]
    paths = [guard.join(name, where) for name in names]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is None:
        raise BadItem(where, f"expected {number}.jpg in {guard.root}, found no such file")
    return there


def read_box(entry: object, sides: tuple[str, str, str, str], where: str) -> Box:
    """The box of an entry with left, top, width and height under the keys ``sides``.

    Raises
    ------
    BadItem
        No numbers, or no width or height.
    """
    values = [entry.get(key) for key in sides] if isinstance(entry, dict) else [None]
    if not all(map(_is_place, values)):
        *first, last = sides
        raise BadItem(where, f"expected an object with {', '.join(first)} and {last} as numbers")
    left, top, width, height = map(float, values)
    if width <= 0 or height <= 0:
        raise BadItem(where, f"expected a box of some width and height, found {width} x {height}")
    return left, top, left + width, top + height


def _is_place(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 1e9
