"""Visual Genome's region descriptions: a phrase and a box for each of many parts of a picture.

``region_descriptions.json``: [{"id": 1, "regions": [{"phrase", "x", "y", "width", "height"}]}].
"""

from __future__ import annotations

import re

from csparc._json import read_json
from csparc._text import show
from csparc.data.caption_text import clean_caption
from csparc.data.gather import Gather
from csparc.data.naming import COLOUR_WORDS
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.visual_genome_objects import VisualGenomeObjects, open_objects
from csparc.data.readers.visual_genome_pictures import Box, each_picture, read_box
from csparc.data.regions import Mention, Region, Regions
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

_SIDES = ("x", "y", "width", "height")
_WORD = re.compile(r"\w+")


def open_visual_genome(
    spec: str, folder: str, path: str, options: Options
) -> RegionDescriptions | VisualGenomeObjects:
    """Read the phrases; each is a caption of its picture. Of a file whose pictures have
    ``objects`` read these.

    Raises
    ------
    DataError
        Broken file, nothing left, or too many bad regions.
    """
    record = read_json(path, "Visual Genome's regions or objects")
    if not isinstance(record, list):
        found = "an object" if isinstance(record, dict) else show(record, 40)
        raise DataError(
            f"{path}: expected a list of pictures with regions or objects, found {found}"
        )
    if any(isinstance(entry, dict) and "objects" in entry for entry in record):
        return open_objects(spec, folder, path, record, options)
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    gather = Gather(options)
    boxes: dict[str, list[Box]] = {}
    for picture, where, regions in each_picture(guard, path, record, "regions", gather):
        kept = boxes[picture] = []
        if not regions:
            gather.add(picture, [], where)
        for place, region in enumerate(regions):
            at = f"{where} regions[{place}]"
            try:
                box = read_box(region, _SIDES, at)
                phrase = clean_caption(region.get("phrase"), at)
            except BadItem as bad:
                gather.reject(bad)
                continue
            if options.max_captions is None or len(kept) < options.max_captions:
                kept.append(box)
                gather.add(picture, [phrase], at)
    found = gather.finish(path)
    return RegionDescriptions(spec, guard, found, gather.problems, options.max_pixels, boxes)


class RegionDescriptions(PictureFiles):
    """Pictures whose captions are phrases of regions."""

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, boxes: dict[str, list[Box]],
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
