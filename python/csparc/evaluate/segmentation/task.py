"""The task ``segmentation``: the class of every pixel, by its patch's likeness to class names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._scalars import number, whole_number
from csparc.data.report import BadItems
from csparc.evaluate.class_vectors import ENSEMBLES, TEXTS, subject_class_vectors
from csparc.evaluate.encode import Stopped
from csparc.evaluate.prompts import PROMPTS, class_sentences, templates_of
from csparc.evaluate.segmentation.names import Names, names_of
from csparc.evaluate.segmentation.overlap import CONVENTIONS
from csparc.evaluate.segmentation.reading import labelled_batches
from csparc.evaluate.segmentation.sums import ORACLE, Sums
from csparc.evaluate.segmentation.upsampling import ORDERS
from csparc.evaluate.segmentation.views import HEADS, VIEWS, Viewer
from csparc.evaluate.tasks import Subject, Task, TaskResult, any_text, option, register


def _free_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a text, found {value!r}")
    return value


def _from_zero(value: Any, name: str) -> int:
    return whole_number(value, name, low=0)


@register
@dataclass(frozen=True, repr=False)
class Segmentation(Task):
    """Zero-shot segmentation of a data set with labels of pixels (`Dataset.label_map`)."""

    name = "segmentation"
    help = "zero-shot segmentation: the class of every pixel, by names"
    about = (
        "Zero-shot segmentation of data with labels of pixels (voc:, context:, coco: with "
        "instances, instances:, scenes:): each patch has the class whose name it is most alike. "
        "Mean intersection over union by every convention in use, each beside random labels of "
        "patches and the best that labels of patches can do."
    )
    main = (
        "sparc_ignored.nearest", "sparc_false.nearest", "present.nearest", "foreground.nearest",
        "foreground.bilinear", "background.bilinear",
    )  # fmt: skip

    head: str = option(HEADS[0], "vectors of patches: on the path of the whole picture, as the "
                       "paper has it, or those of the local loss", HEADS)  # fmt: skip
    text: str = option(TEXTS[0], "vectors of names: of the whole text, as the paper has it, or the "
                       "mean of its tokens", TEXTS)  # fmt: skip
    view: str = option(VIEWS[0], "the picture squeezed into a square, its middle, or windows that "
                       "slide over it", VIEWS)  # fmt: skip
    side: int = option(0, "side of the square, or of the picture's shorter side under windows, in "
                       "pixels (default: the model's own)", check=_from_zero)  # fmt: skip
    stride: int = option(0, "pixels from window to window (default: half of one)",
                         check=_from_zero)  # fmt: skip
    prompts: str = option(PROMPTS[0], f"what names a class: {', '.join(PROMPTS)}, a text with {{}} "
                          "for the name, or a file of templates (.json)",
                          check=any_text)  # fmt: skip
    ensemble: str = option(ENSEMBLES[0], "average the vectors of a name's sentences and bring the "
                           "mean to length 1 (default), or average the cosines with them",
                           ENSEMBLES)  # fmt: skip
    names: str = option("", "a file with a line a class: its names, parted by commas (default: "
                        "those of the data)", check=_free_text)  # fmt: skip
    more_names: str = option("", "names that stand for the background: parted by commas, or a .txt "
                             "file (default: those of Context that are no class)",
                             check=_free_text)  # fmt: skip
    by: str = option("", "an attribute whose values are the classes, such as colour",
                     check=_free_text)  # fmt: skip
    scale: float = option(40.0, "factor on cosines before the softmax that finds background")
    threshold: float = option(0.0, "probability below which a pixel is background (default: twice "
                              "that of chance)",
                              check=lambda v, n: number(v, n, low=0, high=1))  # fmt: skip

    def check(self, subject: Subject) -> None:
        super().check(subject)
        templates_of(self.prompts)
        if len(subject.data.label_names(self.by)) < 2:
            raise ValueError(
                "segmentation: expected data with labels of pixels, of two classes or more (voc:, "
                f"context:, coco: with instances, instances:, scenes:), found {subject.data.spec}"
            )

    def run(self, subject: Subject) -> TaskResult | None:
        names = names_of(subject.data.label_names(self.by), self.names, self.more_names)
        viewer = Viewer(
            subject.model, subject.preprocess, self.head, self.view, self.side, self.stride
        )
        try:
            vectors, told = self.vectors(subject, names)
        except Stopped:
            return None
        problems = BadItems(subject.data.problems.max_bad)
        problems.update(subject.data.problems)
        sums = Sums(names, self.scale, self.threshold or 2 / names.classes, told)
        with closing(labelled_batches(subject, self.by, viewer, problems)) as batches:
            for batch in batches:
                if subject.should_stop():
                    return None
                pictures = [one.shown for one in batch]
                scored = viewer.scored(pictures, vectors, subject.batch_size)
                for one, found in zip(batch, scored):
                    sums.add(one.item, found, one.truth, viewer.grid)
                if subject.progress:
                    subject.progress(batch[-1].item + 1, len(subject.data))
        problems.check(len(subject.data), subject.data.spec)
        if sums.without == sums.pictures:
            raise ValueError(
                f"{subject.data.spec}: expected a picture that shows a class, found none in "
                f"{sums.pictures}; masks of crowds (iscrowd 1) belong to no class"
            )
        return TaskResult(sums.figures(subject.data.label_names(self.by)), problems)

    def vectors(self, subject: Subject, names: Names) -> tuple[np.ndarray, dict[str, int]]:
        """One vector a name [M, D], and what is recorded of how they were made.

        Raises
        ------
        Stopped
            Asked to stop.
        """
        said = class_sentences(names.texts, self.prompts, subject.data)
        return subject_class_vectors(subject, said, self.ensemble, self.text)

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Each convention: both orders beside random labels and the best of patches' labels."""
        columns = (*ORDERS, "random", "oracle", "pictures")
        rows = [f"{'mean IoU, %':16s}" + "".join(f"{column:>10s}" for column in columns)]
        for one in CONVENTIONS:
            own = figures[one.name]
            first, second = (own[order] for order in ORDERS)
            if not first.n:
                continue
            cells = (first.value, second.value, first.chance, own[ORACLE].value)
            rows.append(
                f"{one.name:16s}" + "".join(f"{cell:10.2f}" for cell in cells) + f"{first.n:10,d}"
            )
        return rows + [f"{one.name}: {one.about}" for one in CONVENTIONS]
