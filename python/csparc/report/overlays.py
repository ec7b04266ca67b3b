"""Segmentations of the same pictures by several models, beside the labels."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from csparc.data.report import BadItem
from csparc.demo.page.sections import section
from csparc.evaluate import Subject
from csparc.evaluate.segmentation import Segmentation
from csparc.evaluate.segmentation.names import names_of
from csparc.evaluate.segmentation.views import Viewer
from csparc.viz.overlay import data_uri, enlarge

PICTURES = 4
_SIDE = 144
_INK = 0.6
"""How much of a pixel is the colour of its class."""
_TURN = 0.618034
"""From one class's hue to the next one's, of a turn: neighbours differ."""


def overlays_section(names: Sequence[str], subjects: Sequence[Subject]) -> str:
    """The first pictures that show a class, as labelled and as each model segments them; nothing
    where the data have no labels of pixels."""
    classes = subjects[0].data.label_names()
    if len(classes) < 2:
        return ""
    shown = list(_labelled(subjects[0]))
    pictures = [picture for picture, _ in shown]
    labels = [_segmented(one, classes, pictures) for one in subjects]
    rows = []
    for number, (picture, truth) in enumerate(shown):
        panels = [_panel("picture", picture, "whole"),
                  _panel("labels", overlaid(picture, truth), "whole")]  # fmt: skip
        panels += [_panel(name, overlaid(picture, found[number]))
                   for name, found in zip(names, labels)]  # fmt: skip
        rows.append(f'<div class="panels segmented">{"".join(panels)}</div>')
    every = [[truth for _, truth in shown], *labels]
    seen = np.unique(np.concatenate([one.ravel() for some in every for one in some]))
    legend = "".join(
        f'<li><i style="background:rgb{colour_of(label)}"></i>{escape(classes[label - 1])}</li>'
        for label in seen.tolist()
        if label > 0
    )
    lead = (
        "The first pictures of the data that show a class. A model gives every patch the class "
        "whose name it is most alike, the ground too, as the paper does."
    )
    return section(
        "segmentations", "Which class has every patch", lead,
        f'{"".join(rows)}<ul class="runs classes">{legend}</ul>',
    )  # fmt: skip


def _labelled(subject: Subject) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The first pictures that show a class, and their labels."""
    found = 0
    for item in range(len(subject.data)):
        try:
            picture, truth = subject.data.load(item), subject.data.label_map(item)
        except BadItem:
            continue
        if picture.shape[:2] == truth.shape and (truth > 0).any():
            yield picture, truth
            found += 1
            if found == PICTURES:
                return


def _segmented(
    subject: Subject, classes: Sequence[str], pictures: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Labels [H, W] of each picture, with the defaults of the task."""
    task, names = Segmentation(), names_of(classes)
    viewer = Viewer(subject.model, subject.preprocess, task.head, task.view, task.side, task.stride)
    vectors, _ = task.vectors(subject, names)

    def first(scores: np.ndarray) -> np.ndarray:
        return names.best(scores)[: len(classes)].argmax(axis=0) + 1

    shown = [viewer.shown(picture) for picture in pictures]
    found = viewer.scored(shown, vectors, subject.batch_size)
    return [
        one.labels("nearest", first, picture.shape[:2]) for one, picture in zip(found, pictures)
    ]


def colour_of(label: int) -> tuple[int, int, int]:
    """The colour of class ``label``, from 1."""
    hue = (label - 1) * _TURN % 1.0
    red, green, blue = colorsys.hls_to_rgb(hue, 0.55, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def overlaid(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture uint8 [H, W, 3], its pixels tinted by their class [H, W]; 0 and below are none."""
    tints = np.array([colour_of(k) for k in range(1, max(1, int(labels.max())) + 1)], np.float64)
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    mixed = (1 - _INK) * grey + _INK * tints[np.maximum(labels, 1) - 1]
    return np.where(labels[..., None] > 0, np.rint(mixed), picture).astype(np.uint8)


def _panel(name: str, picture: np.ndarray, kind: str = "") -> str:
    drawn = data_uri(enlarge(picture, _SIDE))
    return (
        f'<figure class="{kind}"><figcaption>{escape(name)}</figcaption>'
        f'<img src="{drawn}" alt="{escape(name)}"></figure>'
    )
