"""Regions as COCO writes them: ``instances.json``."""

from __future__ import annotations

import numpy as np

from csparc.data.dataset import Dataset
from csparc.data.masks import outlines, run_lengths
from csparc.data.regions import Region


def instances(dataset: Dataset, images: list[dict]) -> dict:
    """The record of ``instances.json`` for pictures whose ``images`` are written.

    Categories are numbered from 1 in the order of `Dataset.label_names`. A mask is written as
    polygons, or where it has a hole, or is of a crowd, as run lengths. Attributes have keys of
    their own.
    """
    number = {name: place for place, name in enumerate(dataset.label_names(), 1)}
    annotations = []
    for index, image in enumerate(images):
        for part in dataset.regions(index).parts:
            entry = {"id": len(annotations) + 1, "image_id": image["id"]}
            entry |= {"category_id": number[part.name], "iscrowd": int(part.crowd)}
            annotations.append(entry | _place(part) | dict(part.attributes))
    categories = [
        {"id": place, "name": name, "supercategory": "object"} for name, place in number.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _place(part: Region) -> dict:
    """``bbox``, ``area`` and, of a mask, ``segmentation``."""
    left, top, right, bottom = part.box
    found = {"bbox": [left, top, right - left, bottom - top]}
    if part.mask is None:
        return found | {"area": (right - left) * (bottom - top)}
    polygons = None if part.crowd else outlines(part.mask)
    rows = {"size": list(part.mask.shape), "counts": run_lengths(part.mask)}
    area = float(np.count_nonzero(part.mask))
    return found | {"area": area, "segmentation": rows if polygons is None else polygons}
