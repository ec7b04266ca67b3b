"""Labels of pixels in the folders of Pascal VOC and Pascal Context.

Other readers of these, torchvision's among them, ask for ``JPEGImages/NAME.jpg``: pictures have
that ending, whatever is in them.
"""

from __future__ import annotations

import numpy as np

from csparc.data.dataset import Dataset
from csparc.data.export.pictures import Job, Written, lines_of, png
from csparc.data.export.places import xml
from csparc.data.readers.label_classes import BACKGROUND, BORDER, CLASS_FILE, palette
from csparc.data.readers.voc import CONTEXT, VOC, Tree
from csparc.data.regions import VOID
from csparc.errors import DataError


def voc(job: Job) -> Written:
    """Pascal VOC: a border of one void pixel around each class, boxes in ``Annotations``, and the
    pictures, and the classes of each, in ``ImageSets/Main``."""
    written = _tree(job, "voc", VOC, border=True)
    if job.dataset.has_regions:
        names = job.dataset.label_names()
        present: dict[str, list[str]] = {name: [] for name in names}
        for index, name in enumerate(job.names):
            regions = job.dataset.regions(index)
            objects = [([part.name], part) for part in regions.parts]
            job.write_text(f"Annotations/{name}.xml", xml(f"{name}.jpg", regions.size, objects))
            shown = {part.name for part in regions.parts}
            for one in names:
                present[one].append(f"{name} {1 if one in shown else -1:2d}")
        job.write_text(f"ImageSets/Main/{job.split}.txt", lines_of(job.names))
        for one, lines in present.items():
            job.write_text(f"ImageSets/Main/{one}_{job.split}.txt", lines_of(lines))
    return written


def context(job: Job) -> Written:
    """Pascal Context: every pixel has a class or is background."""
    return _tree(job, "context", CONTEXT, border=False)


def _tree(job: Job, scheme: str, tree: Tree, border: bool) -> Written:
    _need_labels(job.dataset, scheme)
    labels = job.root / tree.labels
    labels.mkdir(parents=True)
    names = job.names
    for index, _, _ in job.pictures("JPEGImages", "jpg"):
        found = job.dataset.label_map(index)
        if border:
            found = np.where(_edges(found), VOID, found)
        indices = np.where(found == VOID, BORDER, found).astype(np.uint8)
        (labels / f"{names[index]}.png").write_bytes(png(indices, palette()))
    job.write_text(f"{tree.lists}/{job.split}.txt", lines_of(names))
    job.write_text(CLASS_FILE, lines_of([BACKGROUND, *job.dataset.label_names()]))
    return Written(scheme, ("",), tail=f",{job.split}")


def _need_labels(dataset: Dataset, scheme: str) -> None:
    classes = len(dataset.label_names())
    if not 0 < classes < BORDER:
        raise DataError(
            f"export: expected a data set with labels of pixels for {scheme}, of 1 to "
            f"{BORDER - 1} classes, found {classes} classes in {dataset.spec}"
        )


def _edges(labels: np.ndarray) -> np.ndarray:
    """The pixels [H, W] of a class beside which another one, or the background, begins."""
    edge = np.zeros(labels.shape, dtype=bool)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    return edge & (labels != 0)
