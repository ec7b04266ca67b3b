"""What a model takes for what: confusion matrices of zero-shot classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc.data.readers.labelled import LabelledPictures
from csparc.data.scenes import Scenes
from csparc.data.scenes.scene import COLOURS, SHAPES, TIERS
from csparc.demo.page.sections import section
from csparc.evaluate import Subject
from csparc.evaluate.class_vectors import class_vectors
from csparc.evaluate.encode import Pictures, unit_images
from csparc.evaluate.zeroshot.measures import class_scores
from csparc.evaluate.zeroshot.scenes import pair_labels, pairs_of, parts_of

MOST = 24
"""Classes of a matrix that a page can show."""


@dataclass(frozen=True)
class Confusion:
    """Counts [K, K] of pictures: the class of a picture by row, what it was taken for by column."""

    about: str
    names: Sequence[str]
    counts: np.ndarray

    __repr__ = fields_line


def confusion_section(names: Sequence[str], subjects: Sequence[Subject]) -> str:
    """The matrices of each model; nothing where the data have no classes, or too many."""
    matrices = [[_table(one) for one in confusions(subject)] for subject in subjects]
    if not any(matrices):
        return ""
    body = "".join(
        f'<h3>{escape(name)}</h3><div class="matrices">{"".join(own)}</div>'
        for name, own in zip(names, matrices)
    )
    lead = (
        "By row what a picture shows, by column what it was taken for, in per cent of the row: "
        "zero-shot classification by bare names."
    )
    return section("confusion", "What is taken for what", lead, body)


def confusions(subject: Subject) -> Iterator[Confusion]:
    """Of single objects of scenes, of the pairs that training has, colours and shapes; of pictures
    of one class each the classes that the data have."""
    data = subject.data
    if isinstance(data, Scenes):
        scenes, rules = next(iter(parts_of(data).values())), TIERS[data.tier]
        said = [f"{colour} {shape}" for colour, shape in pairs_of(data.tier)]
        items, guesses = _guessed(subject, scenes, said)
        pairs = (np.divmod(x, rules.shapes) for x in (pair_labels(scenes, items), guesses))
        (colours, shapes), (as_colours, as_shapes) = pairs
        yield counted("colours", COLOURS[: rules.colours], colours, as_colours)
        yield counted("shapes", SHAPES[: rules.shapes], shapes, as_shapes)
    elif isinstance(data, LabelledPictures) and not data.several and len(data.present) <= MOST:
        names = [data.classes[one] for one in data.present]
        items, guesses = _guessed(subject, data, names)
        place = {one: number for number, one in enumerate(data.present)}
        labels = np.array([place[data.labels(int(item))[0]] for item in items])
        yield counted("classes", names, labels, guesses)


def counted(about: str, names: Sequence[str], labels: np.ndarray, guesses: np.ndarray) -> Confusion:
    """The matrix of labels and guesses [N]."""
    size = len(names)
    counts = np.bincount(labels * size + guesses, minlength=size * size).reshape(size, size)
    return Confusion(about, names, counts)


def _guessed(subject: Subject, data: Any, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures that could be read, and the class each is taken for."""
    vectors = class_vectors(
        subject.model, subject.tokenizer, [[name] for name in names], batch_size=subject.batch_size
    )
    pictures = Pictures(data, subject.preprocess, unit_images(subject.model), subject.batch_size)
    found = [(items, class_scores(made, vectors).argmax(axis=1)) for made, items in pictures]
    items, guesses = (np.concatenate(side) for side in zip(*found))
    return items, guesses


def _table(one: Confusion) -> str:
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in one.names)
    totals = np.maximum(one.counts.sum(axis=1, keepdims=True), 1)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, shares))}</tr>'
        for name, shares in zip(one.names, 100.0 * one.counts / totals)
    )
    return (
        f'<div class="wide"><table class="confusion"><caption>{escape(one.about)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(share: float) -> str:
    text = f"{share:.0f}" if share >= 0.5 else ""
    return f'<td style="--share:{share:.0f}%">{text}</td>'
