"""Visual Genome's objects: what is in a picture, by name and box.

``objects.json``: [{"image_id": 1, "objects": [{"object_id", "names": [...], "x", "y", "w", "h"}]}].
"""

from __future__ import annotations

from csparc.data.caption_text import clean_caption
from csparc.data.gather import Gather
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.visual_genome_pictures import Box, each_picture, read_box
from csparc.data.regions import Mention, Region, Regions
from csparc.data.report import BadItem, BadItems

_SIDES = ("x", "y", "w", "h")


def open_objects(
    spec: str, folder: str, path: str, record: list, options: Options
) -> VisualGenomeObjects:
    """Read the objects. Neither they nor their pictures have sentences, so the captions of a
    picture are the names of what it shows, one each.

    Raises
    ------
    DataError
        Nothing left, or too many bad objects.
    """
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    gather = Gather(options)
    objects: dict[str, list[tuple[list[str], Box]]] = {}
    for picture, where, entries in each_picture(guard, path, record, "objects", gather):
        own = objects[picture] = []
        for number, entry in enumerate(entries):
            at = f"{where} objects[{number}]"
            try:
                names, box = _names(entry, at), read_box(entry, _SIDES, at)
            except BadItem as bad:
                gather.reject(bad)
                continue
            own.append((names, box))
        shown = list(dict.fromkeys(name for names, _ in own for name in names))
        if shown or not entries:
            gather.add(picture, shown, where)
    found = gather.finish(path)
    return VisualGenomeObjects(spec, guard, found, gather.problems, options.max_pixels, objects)


def _names(entry: object, where: str) -> list[str]:
    names = entry.get("names") if isinstance(entry, dict) else None
    if not isinstance(names, list) or not names:
        raise BadItem(where, "expected an object with names, x, y, w and h")
    return list(dict.fromkeys(clean_caption(name, where) for name in names))


class VisualGenomeObjects(PictureFiles):
    """Pictures whose captions are the names of their objects."""

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, objects: dict[str, list[tuple[list[str], Box]]],
    ) -> None:  # fmt: skip
        super().__init__(spec, guard, found, problems, max_pixels)
        self._objects = objects

    @property
    def has_regions(self) -> bool:
        """True: every object has a box."""
        return True

    def regions(self, index: int) -> Regions:
        """The objects by their first names; each caption names all those that are called so."""
        objects = self._objects[self.path(index)]
        parts = tuple(Region(names[0], box) for names, box in objects)
        mentions = []
        for number, text in enumerate(self.captions(index)):
            own = tuple(k for k, (names, _) in enumerate(objects) if text in names)
            mentions.append(Mention(number, 0, len(text), ("NOUN",), own))
        return Regions(self.size(index), parts, tuple(mentions))
