"""Mean intersection over union, by each of the conventions in use.

One map of labels is compared with another: 0 is the background, 1 to K the classes, -1 in the truth
a pixel that nothing counts. Of a picture only its areas are kept: of each class the pixels in both
maps, in the prediction, and in the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from csparc._arrays import describe
from csparc._repr import fields_line
from csparc.data.regions import VOID


@dataclass(frozen=True)
class Convention:
    """How maps of labels are turned into one figure.

    Attributes
    ----------
    name, about : str
    candidates : "classes", "present", "threshold" or "extended"
        What a pixel may be called: any class; those the picture shows, of pictures with two or
        more; any class, or background where none is likely; any class, or a name that is none,
        which stands for background.
    background : "false", "ignored" or "class"
        Its pixels are not counted; count as wrong for whatever class they are given; or are a
        class themselves.
    per_image : bool
        The mean over the classes of each picture, then over pictures; else the areas of all
        pictures are added first, and the mean is over classes.
    """

    name: str
    about: str
    candidates: str
    background: str
    per_image: bool

    __repr__ = fields_line


CONVENTIONS = (
    Convention("sparc_false", "SPARC, background pixels are false positives",
               "classes", "false", True),
    Convention("sparc_ignored", "SPARC, background pixels are not counted",
               "classes", "ignored", True),
    Convention("present", "among the classes each picture shows, background not counted",
               "present", "ignored", True),
    Convention("foreground", "VOC-20, Context-59: background not counted",
               "classes", "ignored", False),
    Convention("background", "VOC-21, Context-60: background where no class is likely",
               "threshold", "class", False),
    Convention("extended", "CLIPpy: more names, which stand for the background",
               "extended", "class", False),
)  # fmt: skip
"""SPARC's table says neither whether background counts nor which classes are candidates (its
section 4.5 and D.7: all classes, then the mean over pictures): the first two readings are both
given. ``present`` is csparc's own, for few classes. The others are those of other work."""


def areas(prediction, truth, classes: int, background: str = "ignored") -> np.ndarray:
    """Pixels of each class in both maps, in the prediction and in the truth: int64 [3, C].

    Parameters
    ----------
    prediction, truth : integer array [H, W]
        Labels from 0 to ``classes``; in the truth also -1, which is counted nowhere.
    classes : int
        K, without the background.
    background : {"false", "ignored", "class"}
        As in `Convention`; with ``"class"`` C is K + 1 and the background the first, else C is K.

    Raises
    ------
    ValueError
        Shapes that differ, or labels out of range.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if prediction.shape != truth.shape or prediction.dtype.kind not in "iu":
        raise ValueError(
            f"prediction: expected integers of the shape {truth.shape} of the truth, found "
            f"{describe(prediction)}"
        )
    for name, labels, least in (("prediction", prediction, 0), ("truth", truth, VOID)):
        if labels.size and not least <= labels.min() <= labels.max() <= classes:
            raise ValueError(
                f"{name}: expected labels from {least} to {classes}, found {labels.min()} to "
                f"{labels.max()}"
            )
    counted = truth > 0 if background == "ignored" else truth != VOID
    pairs = truth[counted].astype(np.int64) * (classes + 1) + prediction[counted]
    table = np.bincount(pairs, minlength=(classes + 1) ** 2).reshape(classes + 1, classes + 1)
    found = np.stack([np.diagonal(table), table.sum(axis=0), table.sum(axis=1)])
    return found if background == "class" else found[:, 1:]


def mean_of_images(items) -> float:
    """Per cent: of areas [n, 3, C], the mean over the classes that a picture shows, then over the
    pictures that show one; nan over nothing."""
    both, predicted, true = np.moveaxis(np.asarray(items, dtype=np.float64), 1, 0)
    shown = true > 0
    shares = np.where(shown, both / np.where(shown, predicted + true - both, 1.0), 0.0)
    counts = shown.sum(axis=1)
    known = counts > 0
    return 100.0 * float((shares.sum(axis=1)[known] / counts[known]).mean()) if any(known) else _NAN


def mean_of_classes(items) -> float:
    """Per cent: of areas [n, 3, C], added over pictures, the mean over the classes that are in
    either map anywhere; nan over nothing."""
    known = class_overlaps(items)
    known = known[~np.isnan(known)]
    return 100.0 * float(known.mean()) if len(known) else _NAN


def class_overlaps(items) -> np.ndarray:
    """Of areas [n, 3, C], added over pictures, each class's share [C]; nan where it is nowhere."""
    both, predicted, true = np.asarray(items, dtype=np.float64).sum(axis=0)
    union = predicted + true - both
    return np.divide(both, union, out=np.full(len(both), np.nan), where=union > 0)


def statistic(convention: Convention) -> Callable[[np.ndarray], float]:
    """What makes the figure of a convention from areas [n, 3, C]."""
    return mean_of_images if convention.per_image else mean_of_classes


_NAN = float("nan")
