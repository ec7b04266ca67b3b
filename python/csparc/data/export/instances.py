"""What lies where as COCO writes it: ``instances.json``, and LVIS's and Objects365's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from csparc.data.dataset import Dataset
from csparc.data.export.pictures import PICTURES, Job, Written
from csparc.data.masks import outlines, run_lengths
from csparc.data.regions import Region, Regions
from csparc.errors import DataError

_RARE, _COMMON = 10, 100
"""Most pictures that show one of LVIS's rare and common categories."""
_PATCH = 1000
"""Pictures in a folder of Objects365."""


def image_records(job: Job) -> list[dict]:
    """``images`` of the pictures, which are written, with ids from 1."""
    images = []
    for index, file, pixels in job.pictures():
        height, width = pixels.shape[:2]
        images.append({"id": index + 1, "file_name": file, "width": width, "height": height})
    return images


def instances(dataset: Dataset, images: list[dict]) -> dict:
    """The record of ``instances.json`` for pictures whose ``images`` are written.

    Categories are numbered from 1 in the order of `Dataset.label_names`. A mask is written as
    polygons, or where it has a hole, or is of a crowd, as run lengths. Attributes have keys of
    their own.
    """
    categories = [
        {"id": number, "name": name, "supercategory": "object"}
        for name, number in _numbers(dataset).items()
    ]
    annotations = _annotations(
        dataset, images,
        lambda part: {"iscrowd": int(part.crowd), **_place(part), **dict(part.attributes)},
    )  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": categories}


def lvis(job: Job) -> Written:
    """LVIS v1, ``lvis_v1_SPLIT.json``: addresses of pictures in place of their names, and of each
    picture the categories that are known to be absent and those that are marked in part.

    Absent are those that the data set says to be, and where it says nothing of a picture all that
    have no region there; marked in part are those of which there is a crowd, as LVIS has no crowds.
    The frequency of a category follows from the number of pictures that show it.
    """
    need_classes(job.dataset, "lvis")
    images = image_records(job)
    number = _numbers(job.dataset)
    for index, image in enumerate(images):
        regions = job.dataset.regions(index)
        shown = {part.name for part in regions.parts}
        absent = regions.absent
        if absent is None:
            absent = [name for name in number if name not in shown]
        image["neg_category_ids"] = [number[name] for name in absent]
        image["not_exhaustive_category_ids"] = [number[name] for name in _in_part(regions)]
        file = image.pop("file_name")
        image["coco_url"] = f"http://images.cocodataset.org/{PICTURES}/{file}"
    annotations = _annotations(
        job.dataset, images, lambda part: None if part.crowd else _place(part)
    )
    record = {
        "info": {}, "licenses": [], "images": images, "annotations": annotations,
        "categories": _lvis_categories(number, annotations),
    }  # fmt: skip
    name = job.write_json(f"lvis_v1_{job.split}.json", record)
    return Written("instances", (PICTURES, name))


def objects365(job: Job) -> Written:
    """Objects365, ``zhiyuan_objv2_SPLIT.json``: boxes alone. The names of its pictures have two
    folders before those that lie in the folder of the split."""
    need_classes(job.dataset, "objects365")
    images = image_records(job)
    for index, image in enumerate(images):
        patch, name = f"patch{index // _PATCH}", f"objects365_v1_{image['file_name']}"
        into = job.root / job.split / patch
        into.mkdir(parents=True, exist_ok=True)
        (job.root / PICTURES / image["file_name"]).rename(into / name)
        image["file_name"] = f"images/v1/{patch}/{name}"
    (job.root / PICTURES).rmdir()
    annotations = _annotations(
        job.dataset, images,
        lambda part: {"iscrowd": int(part.crowd), "isfake": 0, "isreflected": 0, **_box(part)},
    )  # fmt: skip
    categories = [{"id": own, "name": name} for name, own in _numbers(job.dataset).items()]
    record = {"images": images, "annotations": annotations, "categories": categories}
    name = job.write_json(f"zhiyuan_objv2_{job.split}.json", record)
    return Written("instances", (job.split, name))


def need_classes(dataset: Dataset, kind: str) -> None:
    """Refuse a data set of whose places nothing is known, or whose regions are of no classes."""
    if not dataset.has_regions or not dataset.label_names():
        raise DataError(
            f"export: expected a data set that knows where things of which class lie for {kind}, "
            f"such as scenes:, found {dataset.spec}"
        )


def _numbers(dataset: Dataset) -> dict[str, int]:
    return {name: place for place, name in enumerate(dataset.label_names(), 1)}


def _annotations(
    dataset: Dataset, images: list[dict], described: Callable[[Region], dict | None]
) -> list[dict]:
    """Of each region, unless it is not described."""
    number, annotations = _numbers(dataset), []
    for index, image in enumerate(images):
        for part in dataset.regions(index).parts:
            more = described(part)
            if more is not None:
                entry = {"id": len(annotations) + 1, "image_id": image["id"]}
                annotations.append(entry | {"category_id": number[part.name]} | more)
    return annotations


def _lvis_categories(number: dict[str, int], annotations: list[dict]) -> list[dict]:
    pairs = {(entry["category_id"], entry["image_id"]) for entry in annotations}
    pictures = Counter(category for category, _ in pairs)
    instances = Counter(entry["category_id"] for entry in annotations)
    return [
        {
            "id": own, "name": name.replace(" ", "_"), "synset": f"{name.replace(' ', '_')}.n.01",
            "synonyms": [name.replace(" ", "_")], "def": "", "image_count": pictures[own],
            "instance_count": instances[own], "frequency": frequency(pictures[own]),
        }
        for name, own in number.items()
    ]  # fmt: skip


def frequency(pictures: int) -> str:
    """LVIS's letter for a category that so many pictures show."""
    return "r" if pictures <= _RARE else "c" if pictures <= _COMMON else "f"


def _in_part(regions: Regions) -> list[str]:
    crowds = [part.name for part in regions.parts if part.crowd]
    return list(dict.fromkeys([*regions.unfinished, *crowds]))


def _place(part: Region) -> dict:
    """``bbox``, ``area`` and, of a mask, ``segmentation``."""
    if part.mask is None:
        return _box(part)
    polygons = None if part.crowd else outlines(part.mask)
    rows = {"size": list(part.mask.shape), "counts": run_lengths(part.mask)}
    found = _box(part) | {"area": float(np.count_nonzero(part.mask))}
    return found | {"segmentation": rows if polygons is None else polygons}


def _box(part: Region) -> dict:
    """``bbox`` and its ``area``."""
    left, top, right, bottom = part.box
    width, height = right - left, bottom - top
    return {"bbox": [left, top, width, height], "area": width * height}
