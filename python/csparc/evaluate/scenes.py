"""What generated scenes allow and photographs do not: retrieval by the known truth of captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc.evaluate.cosine_ranks import nearest
from csparc.evaluate.figure import figure_lines, share
from csparc.evaluate.ranking import RECALL_AT
from csparc.evaluate.tasks import Subject, Task, TaskResult, register

if TYPE_CHECKING:
    from csparc.data.scenes.dataset import Scenes

_RANDOM_PAIRS = 4096
_SPREAD = 2654435761
"""Multiples of it, modulo any number, are spread evenly."""


@register
class Meaning(Task):
    """`semantic_recall` of a model on generated scenes."""

    name = "scenes"
    help = "retrieval by meaning on generated scenes: is the first answer true?"
    about = (
        "On generated scenes (scenes:...), whether the caption found first is true of the picture, "
        "and the picture found first one that the caption is true of, whoever they were made for."
    )
    main = ("image_to_text", "text_to_image")

    def check(self, subject: Subject) -> None:
        from csparc.data.scenes.dataset import Scenes

        super().check(subject)
        if not isinstance(subject.data, Scenes):
            raise ValueError(
                f"scenes: expected generated scenes (scenes:...), found {subject.data.spec}"
            )

    def run(self, subject: Subject) -> TaskResult | None:
        from csparc.evaluate.encode import encode_subject

        found = encode_subject(subject)
        if found is None:
            return None
        arrays = (found.image_features, found.text_features, found.image_index, found.items)
        return TaskResult(semantic_recall(subject.data, *arrays), found.problems)

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Both directions beside the share of random pairs that are true, and more answers."""
        chance = figures["chance"]
        first = [f"{name:28s}{figures[name]:8.2f} %{chance:8.2f} %" for name in self.main]
        return [f"{'':28s}{'true':>10s}{'chance':>10s}", *first, *figure_lines(figures)]


def is_true(scenes: Scenes, item: int, owner: int, number: int) -> bool:
    """Whether caption ``number`` of scene ``owner`` is also true of scene ``item``."""
    from csparc.data.scenes.forms import holds

    return holds(scenes.labelled_captions(owner)[number].form, scenes.scene(item))


def semantic_recall(scenes: Scenes, image_features, text_features, image_index, items=None) -> dict:
    """Per cent of queries whose first answers are right by meaning, and what chance would give.

    Strict retrieval counts a caption written for another scene as wrong even where it is true of
    this one. Here a picture is right for a sentence, and a sentence for a picture, when the
    sentence is true of it.

    Parameters
    ----------
    scenes : Scenes
    image_features, text_features, image_index
        As `evaluate_retrieval` takes them, captions in the order of the scenes' own.
    items : integer array [N], optional
        The scene of each row of ``image_features``; default 0 to N - 1.

    Returns
    -------
    dict
        ``image_to_text`` and ``text_to_image``; ``chance``: the share of 4096 random pairs, spread
        evenly, whose caption is true. ``image_to_text_semantic_R@k`` and ``text_to_image_`` for k
        of 1, 5 and 10, each a `csparc.evaluate.Figure`: any of the first k answers is right.
    """
    index = np.asarray(image_index)
    images = np.asarray(image_features, dtype=np.float32)
    texts = np.asarray(text_features, dtype=np.float32)
    items = np.arange(len(images)) if items is None else np.asarray(items)
    number = caption_numbers(index)
    forms = [scenes.labelled_captions(int(items[row]))[k].form for row, k in zip(index, number)]
    views = [scenes.scene(int(item)) for item in items]
    pairs = np.arange(min(_RANDOM_PAIRS, len(images) * len(texts)), dtype=np.int64)
    spread = pairs * _SPREAD % (len(images) * len(texts))
    by_chance = _true(forms, views, spread // len(texts), spread % len(texts))
    result: dict[str, Any] = {"chance": 100.0 * float(np.mean(by_chance))}
    owners = {"image_to_text": None, "text_to_image": index}
    for direction, sides in (
        ("image_to_text", (images, texts)),
        ("text_to_image", (texts, images)),
    ):
        found = nearest(*sides, max(RECALL_AT))
        drawn = np.arange(found.size, dtype=np.int64).reshape(found.shape) * _SPREAD % len(sides[1])
        queries = np.arange(len(found))[:, None]
        of_texts = direction == "text_to_image"
        true, random = (
            _true(forms, views, *((answers, queries) if of_texts else (queries, answers)))
            for answers in (found, drawn)
        )
        result[direction] = 100.0 * float(np.mean(true[:, 0]))
        for k in RECALL_AT:
            chance = 100.0 * float(np.mean(random[:, :k].any(axis=1)))
            hits = true[:, :k].any(axis=1)
            result[f"{direction}_semantic_R@{k}"] = share(hits, chance, owners[direction], k=k)
    return result


def _true(forms: list, views: list, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Whether each of these captions is true of each of these pictures."""
    from csparc.data.scenes.forms import holds

    known = np.vectorize(lambda i, j: holds(forms[j], views[i]), otypes=[bool])
    return known(*np.broadcast_arrays(images, texts))


def caption_numbers(image_index: np.ndarray) -> np.ndarray:
    """The place of each caption among the captions of its own picture, from 0."""
    seen: dict[int, int] = {}
    numbers = np.empty(len(image_index), dtype=np.int64)
    for place, image in enumerate(np.asarray(image_index).tolist()):
        numbers[place] = seen.get(image, 0)
        seen[image] = numbers[place] + 1
    return numbers
