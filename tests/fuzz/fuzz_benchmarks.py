"""Damaged files of benchmarks: places, labels, classes and wrong captions are read, or refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_bytes import complaint
from fuzz_readers import KINDS, MAX_PIXELS
from fuzz_readers import Generator as Readers
from fuzz_runs import REFUSED, TAKEN, Wrong
from pictures import encoded

from csparc import data
from csparc.data.export import export
from csparc.data.scenes import Scenes
from csparc.errors import DataError

SEVERAL = Scenes("M", 3, split="seg_test")
SINGLE = Scenes("S", 3, split="zs_seen")
WRITTEN: tuple[tuple[str, Scenes], ...] = (
    ("coco", SEVERAL), ("lvis", SEVERAL), ("objects365", SEVERAL), ("voc", SEVERAL),
    ("context", SEVERAL), ("entities", SEVERAL), ("visual-genome", SEVERAL),
    ("visual-genome-objects", SEVERAL), ("karpathy-flickr", SEVERAL), ("flickr-csv", SEVERAL),
    ("clip-benchmark", SEVERAL), ("sugarcrepe", SEVERAL), ("winoground", SEVERAL),
    ("imagenet", SINGLE),
)  # fmt: skip
GRID = (2, 3)


class Generator(Readers):
    """The files that `export` writes, and a table of labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = [encoded(4, kind) for kind in KINDS]
        self.kinds: dict[str, dict[str, bytes]] = {}
        for number, (kind, scenes) in enumerate(WRITTEN):
            where = folder / str(number)
            spec = export(scenes, kind, where).replace(str(where), "{0}")
            self.kinds[spec] = _files(where)
        where = folder / str(len(WRITTEN))
        where.mkdir()
        (where / "labels.csv").write_text("path,label\na.png,dog\nb.png,cat\nb.png,dog\n")
        for number, name in enumerate("ab"):
            (where / f"{name}.png").write_bytes(encoded(number))
        self.kinds["labels:{0}/labels.csv"] = _files(where)

    def chosen(self, names: list[str], rng: np.random.Generator) -> str:
        """Most often no picture, labels of pixels aside."""
        told = [name for name in names if not name.endswith((".png", ".jpg")) or "Segm" in name]
        some = told if told and rng.random() < 0.9 else names
        return some[rng.integers(len(some))]

    def read(self, spec: str, max_bad: float) -> str:
        """Open, and read all that is known of every picture."""
        try:
            opened = data.open(spec, max_pixels=MAX_PIXELS, max_bad=max_bad)
            classes = len(opened.label_names())
            for index in range(len(opened)):
                _check(opened, index, classes)
        except DataError as error:
            if wrong := complaint(error):
                raise Wrong(wrong) from error
            return REFUSED
        return TAKEN


def _files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _check(opened: Any, index: int, classes: int) -> None:
    captions = [*opened.captions(index), *opened.hard_negatives(index)]
    if not captions or not all(isinstance(text, str) and text.strip() for text in captions):
        raise Wrong(f"captions {captions!r}")
    if opened.load(index).dtype != np.uint8:
        raise Wrong("a picture that is none")
    if hasattr(opened, "labels") and not 0 <= min(opened.labels(index)) < len(opened.classes):
        raise Wrong(f"labels {opened.labels(index)} of {opened.classes}")
    if classes:
        labels = opened.label_map(index)
        if labels.ndim != 2 or not -1 <= labels.min() <= labels.max() <= classes:
            raise Wrong(f"labels {labels.min()} to {labels.max()} of {classes} classes")
    if opened.has_regions:
        _check_regions(opened.regions(index), opened.captions(index))


def _check_regions(regions: Any, captions: list[str]) -> None:
    for part in regions.parts:
        if not all(map(math.isfinite, part.box)) or not part.name:
            raise Wrong(f"{part!r}")
        if part.mask is not None and part.mask.shape != regions.size:
            raise Wrong(f"a mask of {part.mask.shape} in {regions.size}")
    for one in regions.mentions:
        inside = 0 <= one.start < one.stop <= len(captions[one.caption])
        if not inside or not all(0 <= k < len(regions.parts) for k in one.regions):
            raise Wrong(f"{one!r} of {captions} and {len(regions.parts)} regions")
    height, width = regions.size
    shown = regions.shown((0, 0, height, width), GRID)
    if shown.shape != (len(regions.parts), GRID[0] * GRID[1]):
        raise Wrong(f"patches of the shape {shown.shape}")
