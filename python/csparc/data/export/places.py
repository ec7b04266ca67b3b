"""What captions name and where it is, in boxes: Flickr30k Entities and Visual Genome."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from xml.sax.saxutils import escape

from csparc.data.dataset import Dataset
from csparc.data.export.pictures import PICTURES, Job, Written, lines_of
from csparc.data.regions import Mention, Region
from csparc.errors import DataError

KIND = "other"
"""The kind of entity that every phrase is said to be of."""


def need_regions(dataset: Dataset, kind: str) -> None:
    """Refuse a data set of whose places nothing is known."""
    if not dataset.has_regions:
        raise DataError(
            f"export: expected a data set that knows where things lie for {kind}, such as "
            f"scenes:, found {dataset.spec}"
        )


def entities(job: Job) -> Written:
    """``Sentences/NAME.txt`` and ``Annotations/NAME.xml`` as Flickr30k Entities has them.

    Words one after another that name the same regions are a phrase; boxes count from 1, the last
    pixel included.
    """
    need_regions(job.dataset, "entities")
    for index, file, _ in job.pictures():
        name, regions = file.removesuffix(".png"), job.dataset.regions(index)
        ids: dict[tuple[int, ...], int] = {}
        sentences = [
            _marked(caption, _phrases([m for m in regions.mentions if m.caption == number]), ids)
            for number, caption in enumerate(job.dataset.captions(index))
        ]
        job.write_text(f"Sentences/{name}.txt", lines_of(sentences))
        boxes = [
            _object([key for own, key in ids.items() if number in own], part)
            for number, part in enumerate(regions.parts)
        ]
        job.write_text(f"Annotations/{name}.xml", xml(file, regions.size, boxes))
    job.write_text(f"{job.split}.txt", lines_of(job.names))
    return Written("entities", (PICTURES, ""), tail=f",{job.split}")


def _phrases(mentions: list[Mention]) -> list[tuple[int, int, tuple[int, ...]]]:
    """First and last + 1 character and the regions of each run of words of the same regions."""
    found: list[tuple[int, int, tuple[int, ...]]] = []
    for one in mentions:
        if found and found[-1][2] == one.regions and one.start <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], one.stop), one.regions)
        else:
            found.append((one.start, one.stop, one.regions))
    return found


def _marked(
    text: str, phrases: list[tuple[int, int, tuple[int, ...]]], ids: dict[tuple[int, ...], int]
) -> str:
    """A sentence with its phrases in brackets; ids are given in the order of appearance."""
    parts, at = [], 0
    for start, stop, own in phrases:
        key = ids.setdefault(own, len(ids) + 1)
        parts += [text[at:start], f"[/EN#{key}/{KIND} {text[start:stop]}]"]
        at = stop
    return "".join([*parts, text[at:]])


def _object(names: list[int], part: Region) -> tuple[list[str], Region]:
    return [str(name) for name in names], part


def xml(file: str, size: tuple[int, int], objects: list[tuple[list[str], Region]]) -> str:
    """A picture's boxes as VOC and Entities have them: from 1, the last pixel included."""
    height, width = size
    lines = ["<annotation>", f"  <filename>{escape(file)}</filename>"]
    lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    for names, part in objects:
        left, top, right, bottom = part.box
        corners = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        box = "".join(f"<{key}>{value:g}</{key}>" for key, value in corners.items())
        called = "".join(f"<name>{escape(name)}</name>" for name in names)
        lines.append(f"  <object>{called}<bndbox>{box}</bndbox></object>")
    return lines_of([*lines, "</annotation>"])


def visual_genome(job: Job) -> Written:
    """``region_descriptions.json``: a phrase for each region, its attributes before its name."""

    def described(number: int, index: int, part: Region) -> dict:
        left, top, right, bottom = part.box
        words = [value for key, value in part.attributes if value != "plain"]
        return {
            "region_id": number, "image_id": index, "phrase": " ".join([*words, part.name]),
            "x": left, "y": top, "width": right - left, "height": bottom - top,
        }  # fmt: skip

    return _genome(job, "visual-genome", "region_descriptions.json", "id", "regions", described)


def visual_genome_objects(job: Job) -> Written:
    """``objects.json``: the name of each region."""

    def described(number: int, index: int, part: Region) -> dict:
        left, top, right, bottom = part.box
        return {
            "object_id": number, "names": [part.name], "synsets": [], "merged_object_ids": [],
            "x": left, "y": top, "w": right - left, "h": bottom - top,
        }  # fmt: skip

    kind = "visual-genome-objects"
    return _genome(job, kind, "objects.json", "image_id", "objects", described)


def _genome(
    job: Job, kind: str, name: str, key: str, parts: str,
    described: Callable[[int, int, Region], dict],
) -> Written:  # fmt: skip
    """A file of Visual Genome: of each picture its number under ``key`` and its ``parts``. Pictures
    are called by their numbers."""
    need_regions(job.dataset, kind)
    records, numbers = [], itertools.count(1)
    for index, file, _ in job.pictures("VG_100K"):
        regions = job.dataset.regions(index).parts
        records.append({key: index, parts: [described(next(numbers), index, p) for p in regions]})
        old = job.root / "VG_100K" / file
        old.rename(old.with_name(f"{index}.png"))
    return Written("visual-genome", ("", job.write_json(name, records)))
