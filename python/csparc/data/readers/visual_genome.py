"""Visual Genome's region descriptions: a phrase and a box for each of many parts of a picture.

``region_descriptions.json``: [{"id": 1, "regions": [{"phrase", "x", "y", "width", "height"}]}].
Pictures are called by their ids, and lie in the folder itself, in ``VG_100K`` or ``VG_100K_2``.
"""

from __future__ import annotations

import os
import re

from csparc._json import read_json
from csparc._text import show
from csparc.data.caption_text import clean_caption
from csparc.data.gather import Gather
from csparc.data.naming import COLOUR_WORDS
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.regions import Mention, Region, Regions
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

_FOLDERS = ("", "VG_100K", "VG_100K_2")
_PICTURES = ("jpg", "png")
_WORD = re.compile(r"\w+")


def open_visual_genome(spec: str, folder: str, path: str, options: Options) -> RegionDescriptions:
    """Read the phrases; each is a caption of its picture.

    Raises
    ------
    DataError
        Broken file, nothing left, or too many bad regions.
    """
    record = read_json(path, "Visual Genome's region descriptions")
    if not isinstance(record, list):
        raise DataError(f"{path}: expected a list of pictures with regions, found an object")
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    gather = Gather(options)
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for number, entry in enumerate(record):
        where = f"{path} [{number}]"
        try:
            picture = _picture(guard, entry, where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        if picture in boxes:
            gather.reject(BadItem(where, f"the picture {show(entry['id'], 24)} is there twice"))
            continue
        kept = []
        for place, region in enumerate(entry["regions"]):
            at = f"{where} regions[{place}]"
            try:
                phrase, box = _region(region, at)
            except BadItem as bad:
                gather.reject(bad)
                continue
            if options.max_captions is None or len(kept) < options.max_captions:
                kept.append(box)
                gather.add(picture, [phrase], at)
        boxes[picture] = kept
    found = gather.finish(path)
    return RegionDescriptions(spec, guard, found, gather.problems, options.max_pixels, boxes)


def _picture(guard: Guard, entry: object, where: str) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("regions"), list):
        raise BadItem(where, "expected an object with id and regions")
    number = entry.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadItem(where, f"expected id as a whole number, found {show(number, 24)}")
    names = [os.path.join(f, f"{number}.{ending}") for f in _FOLDERS for ending in _PICTURES]
    paths = [guard.join(name, where) for name in names]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is None:
        raise BadItem(where, f"expected {number}.jpg in {guard.root}, found no such file")
    return there


def _region(region: object, where: str) -> tuple[str, tuple[float, float, float, float]]:
    """The phrase, and left, top, right and bottom."""
    keys = ("x", "y", "width", "height")
    values = [region.get(key) for key in keys] if isinstance(region, dict) else [None]
    if not all(isinstance(v, (int, float)) and abs(v) < 1e9 for v in values):
        raise BadItem(where, "expected an object with phrase, x, y, width and height")
    left, top, width, height = map(float, values)
    if width <= 0 or height <= 0:
        raise BadItem(where, f"expected a box of some width and height, found {width} x {height}")
    phrase = clean_caption(region.get("phrase"), where)
    return phrase, (left, top, left + width, top + height)


class RegionDescriptions(PictureFiles):
    """Pictures whose captions are phrases of regions."""

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, boxes: dict[str, list[tuple[float, float, float, float]]],
    ) -> None:  # fmt: skip
        super().__init__(spec, guard, found, problems, max_pixels)
        self._boxes = boxes

    @property
    def has_regions(self) -> bool:
        """True: every caption is of a region."""
        return True

    def regions(self, index: int) -> Regions:
        """A region a caption, which is a PHRASE for it; its words for colours are COLOUR."""
        parts, mentions = [], []
        for number, (text, box) in enumerate(
            zip(self.captions(index), self._boxes[self.path(index)], strict=True)
        ):
            parts.append(Region(text, box))
            mentions.append(Mention(number, 0, len(text), ("PHRASE",), (number,)))
            for word in _WORD.finditer(text):
                if word[0].lower() in COLOUR_WORDS:
                    mentions.append(Mention(number, *word.span(), ("ADJ", "COLOUR"), (number,)))
        return Regions(self.size(index), tuple(parts), tuple(mentions))
