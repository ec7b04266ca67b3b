"""Pictures and the labels of their pixels, read ahead in threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.data.loading.prefetch import decoding_threads, ordered_map
from csparc.data.report import BadItem, BadItems
from csparc.evaluate.segmentation.views import Shown, Viewer
from csparc.evaluate.tasks import Subject


@dataclass(frozen=True)
class Labelled:
    """Picture ``item`` as it is shown, and the labels int16 [H, W] of its pixels."""

    item: int
    shown: Shown
    truth: np.ndarray

    __repr__ = fields_line


def labelled_batches(
    subject: Subject, by: str, viewer: Viewer, problems: BadItems
) -> Iterator[list[Labelled]]:
    """The pictures that can be read, in order and some at a time; others go to ``problems``.

    They are decoded and resized in threads, two batches ahead. Closing it ends the threads.
    """

    def read(item: int) -> Labelled | BadItem:
        try:
            return _labelled(subject, by, viewer, item)
        except BadItem as bad:
            return bad

    items, ahead = range(len(subject.data)), 2 * subject.batch_size
    batch: list[Labelled] = []
    with closing(ordered_map(read, items, decoding_threads(), ahead)) as found:
        for one in found:
            if isinstance(one, BadItem):
                problems.add(one)
                continue
            batch.append(one)
            if len(batch) == subject.batch_size:
                yield batch
                batch = []
    if batch:
        yield batch


def _labelled(subject: Subject, by: str, viewer: Viewer, item: int) -> Labelled:
    data = subject.data
    picture, truth = data.load(item), data.label_map(item, by)
    if picture.shape[:2] != truth.shape:
        raise BadItem(
            data.name(item),
            f"expected labels of its {picture.shape[0]} x {picture.shape[1]} pixels, found "
            f"{truth.shape[0]} x {truth.shape[1]}",
        )
    return Labelled(item, viewer.shown(picture), truth)
