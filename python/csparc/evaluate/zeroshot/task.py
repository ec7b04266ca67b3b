"""The task ``zeroshot``: a model on pictures of classes, or on single objects of scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from csparc.data.readers.labelled import SEVERITIES, LabelledPictures
from csparc.data.report import BadItems
from csparc.data.scenes import Scenes
from csparc.evaluate.class_vectors import ENSEMBLES, subject_class_vectors
from csparc.evaluate.encode import Stopped, unit_pictures
from csparc.evaluate.figure import Figure, share
from csparc.evaluate.prompts import PROMPTS, class_sentences, templates_of
from csparc.evaluate.tasks import Subject, Task, TaskResult, any_text, option, register
from csparc.evaluate.zeroshot.measures import (
    accuracies,
    average_precision,
    class_ranks,
    class_scores,
    mean_of_groups,
)
from csparc.evaluate.zeroshot.scenes import pair_labels, pairs_of, parts_of, parts_right

CANDIDATES = ("present", "all")
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression",
)  # fmt: skip
"""The fifteen of ImageNet-C; its four extra ones are left out of the mean."""


@register
@dataclass(frozen=True, repr=False)
class ZeroShot(Task):
    """`evaluate_zero_shot` of a model on a data set of classes or on generated scenes."""

    name = "zeroshot"
    help = "tell pictures apart by the names of their classes"
    about = (
        "Zero-shot classification of pictures of classes (imagenet:DIR, labels:FILE), or of single "
        "objects of generated scenes by colour and shape, of pairs seen in training and of others."
    )
    main = (
        "top1", "top5", "mean_per_class", "map",
        "seen.top1", "seen.colour", "seen.shape", "unseen.top1", "unseen.colour", "unseen.shape",
    )  # fmt: skip

    prompts: str = option(
        PROMPTS[0],
        f"what names a class: {', '.join(PROMPTS)}, a text with {{}} for the name, or a file of "
        "templates (.json)",
        check=any_text,
    )
    ensemble: str = option(
        ENSEMBLES[0],
        "average the vectors of a class's sentences and bring the mean to length 1 (default), or "
        "average the cosines with them",
        ENSEMBLES,
    )
    candidates: str = option(
        CANDIDATES[0],
        "guess among the classes that the data have (default), or among all that are named",
        CANDIDATES,
    )
    on: str | None = option(
        None, "classify these data, while other tasks of a training run have theirs", check=any_text
    )

    def check(self, subject: Subject) -> None:
        super().check(subject)
        templates_of(self.prompts)
        data = self._data(subject)
        if not isinstance(data, (LabelledPictures, Scenes)):
            raise ValueError(
                "zeroshot: expected pictures of classes (imagenet:DIR, labels:FILE) or generated "
                f"scenes, found {data.spec}"
            )

    def _data(self, subject: Subject) -> Any:
        return subject.data if self.on is None else _opened(self.on)

    def run(self, subject: Subject) -> TaskResult | None:
        data = self._data(subject)
        subject = replace(subject, data=data)
        try:
            if isinstance(data, Scenes):
                return self._of_scenes(subject)
            return self._of_pictures(subject)
        except Stopped:
            return None

    def _of_pictures(self, subject: Subject) -> TaskResult:
        data = subject.data
        kept = data.present if self.candidates == "present" else list(range(len(data.classes)))
        names = [data.classes[one] for one in kept]
        vectors, told = self._vectors(subject, names)
        told |= {"classes_named": len(data.classes)}
        place = {one: number for number, one in enumerate(kept)}
        if data.several:
            scores, items, problems = _each_batch(subject, vectors, lambda scores, _: scores)
            labels = np.zeros(scores.shape, dtype=bool)
            for row, item in enumerate(items):
                labels[row, [place[one] for one in data.labels(int(item))]] = True
            return TaskResult({"map": average_precision(scores, labels, **told)}, problems)

        def labels_of(items: np.ndarray) -> np.ndarray:
            return np.array([place[data.labels(int(item))[0]] for item in items])

        ranks, items, problems = _each_batch(
            subject, vectors, lambda scores, items: class_ranks(scores, labels_of(items))
        )
        if data.condition(int(items[0])) is None:
            return TaskResult(accuracies(ranks, labels_of(items), len(kept), **told), problems)
        conditions = [data.condition(int(item)) for item in items]
        return TaskResult(corruption_figures(ranks, conditions, len(kept), **told), problems)

    def _of_scenes(self, subject: Subject) -> TaskResult:
        tier = subject.data.tier
        names = [f"{colour} {shape}" for colour, shape in pairs_of(tier)]
        vectors, told = self._vectors(subject, names)
        figures: dict[str, Any] = {}
        for part, scenes in parts_of(subject.data).items():

            def measured(
                scores: np.ndarray, items: np.ndarray, scenes: Scenes = scenes
            ) -> np.ndarray:
                labels = pair_labels(scenes, items)
                return np.stack([class_ranks(scores, labels), labels, scores.argmax(axis=1)], 1)

            found, _, _ = _each_batch(replace(subject, data=scenes), vectors, measured)
            ranks, labels, guesses = found.T
            figures[part] = accuracies(ranks, labels, len(names), **told) | parts_right(
                tier, labels, guesses
            )
        return TaskResult(figures)

    def _vectors(self, subject: Subject, names: list[str]) -> tuple[np.ndarray, dict]:
        """One vector a class, and what is recorded of how they were made."""
        said = class_sentences(names, self.prompts, subject.data)
        return subject_class_vectors(subject, said, self.ensemble)


def corruption_figures(ranks, conditions, classes: int, **config: Any) -> dict[str, Any]:
    """Top-1 under corruption: the mean over corruptions and severities, and of each corruption.

    ``ranks`` [N], ``conditions`` N times (corruption, severity). The mean is over the fifteen
    corruptions of ImageNet-C as far as they are there; without any of them over those that are.
    """
    ranks = np.asarray(ranks)
    kinds = np.array([kind for kind, _ in conditions])
    severities = np.array([severity for _, severity in conditions])
    there = sorted(set(kinds.tolist()))
    counted = [kind for kind in CORRUPTIONS if kind in there] or there
    cells = [(kind, severity) for kind in counted for severity in SEVERITIES]
    number = {cell: place for place, cell in enumerate(cells)}
    rows = np.flatnonzero(np.isin(kinds, counted) & np.isin(severities, SEVERITIES))
    place = np.array([number[kinds[row], severities[row]] for row in rows])
    items = np.stack([place, 100 * (ranks[rows] <= 1)], axis=1)
    missing = len(cells) - len(np.unique(place))
    told = {"classes": classes, "corruptions": len(counted), "missing_cells": missing, **config}
    mean = Figure(mean_of_groups(items), len(rows), 100.0 / classes, told, items, mean_of_groups)
    each = {kind: share(ranks[kinds == kind] <= 1, 100.0 / classes) for kind in there}
    return {"top1": mean, "corruptions": each}


def _each_batch(
    subject: Subject, vectors: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, BadItems]:
    """What is measured of the scores [B, K] of each batch, put together; the pictures; those that
    were left out. Neither pictures nor their vectors are kept."""
    pictures = unit_pictures(subject)
    found, numbers = [], []
    for features, items in pictures:
        found.append(measure(class_scores(features, vectors), items))
        numbers.append(items)
    return np.concatenate(found), np.concatenate(numbers), pictures.problems


@lru_cache(maxsize=4)
def _opened(spec: str) -> Any:
    import csparc.data

    return csparc.data.open(spec)
