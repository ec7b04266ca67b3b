"""The task ``faithfulness``: the caption a model finds first for each picture, judged by words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc.data.scenes import Scenes
from csparc.data.scenes.forms import fits_any, holds, named, phrases_of
from csparc.evaluate.cosine_ranks import nearest
from csparc.evaluate.encode import Features, encode_subject
from csparc.evaluate.faithfulness.precision import (
    ARTICLES,
    COUNTS,
    k_precision,
    k_precision_of_words,
)
from csparc.evaluate.faithfulness.taggers import TAGGERS, Tagger, tagger_of
from csparc.evaluate.figure import share
from csparc.evaluate.tasks import Subject, Task, TaskResult, any_text, option, register

_SPREAD = 2654435761
"""Multiples of it, modulo any number of captions, are spread evenly: the captions of chance."""


@register
@dataclass(frozen=True, repr=False)
class Faithfulness(Task):
    """`evaluate_faithfulness` of a model, on generated scenes also by what is true of the scene."""

    name = "faithfulness"
    help = "how much of the caption found first for a picture its own captions say"
    about = (
        "K-Precision of the caption found first among all captions of the data, against the "
        "picture's own ones (K-P), of its nouns and adjectives alone (K-Pna), and both where that "
        "caption is not the picture's own. An R@1 hit scores 100, so K-P is at least R@1."
    )
    main = ("k_precision", "k_precision_na", "misses.k_precision", "misses.k_precision_na",
            "scene_precision", "misses.scene_precision")  # fmt: skip

    articles: str = option("drop", "a, an and the: left out (default), or counted", ARTICLES)
    count: str = option(
        "multiset",
        "a word said twice counts twice only where the references have it twice (default), or "
        "each word once",
        COUNTS,
    )
    tagger: str = option(
        "scenes",
        f"what finds nouns and adjectives: {', '.join(TAGGERS)}, or a file with one a line",
        check=any_text,
    )

    def check(self, subject: Subject) -> None:
        super().check(subject)
        tagger_of(self.tagger)

    def run(self, subject: Subject) -> TaskResult | None:
        found = encode_subject(subject)
        if found is None:
            return None
        first = nearest(found.image_features, found.text_features, 1)[:, 0]
        arrays = (first, found.image_index, found.captions, tagger_of(self.tagger))
        figures = evaluate_faithfulness(*arrays, self.articles, self.count)
        if isinstance(subject.data, Scenes):
            figures = _with(figures, scene_precision(subject.data, found, first))
        return TaskResult(figures, found.problems)


def evaluate_faithfulness(
    first: np.ndarray,
    image_index: np.ndarray,
    captions: Sequence[str],
    tagger: Tagger,
    articles: str = "drop",
    count: str = "multiset",
) -> dict[str, Any]:
    """K-Precision of the caption found first for each picture against the picture's own captions.

    Parameters
    ----------
    first : integer array [N]
        The caption found first for each picture, a number of ``captions``.
    image_index : integer array [M]
        The picture of each caption.
    captions : sequence of str, M of them
    tagger : callable
        A sentence to its nouns and adjectives (`csparc.evaluate.faithfulness.taggers`).
    articles, count : str
        The variant of `k_precision`.

    Returns
    -------
    dict
        ``k_precision``, ``k_precision_na`` (nouns and adjectives; a caption without any counts as
        0, and ``config`` says how many), ``image_to_text_R@1``, and ``misses``: the first two over
        the pictures whose first caption is not their own. Chance: the same of captions spread
        evenly over all of them. Pictures without captions are left out.
    """
    first, index = np.asarray(first), np.asarray(image_index)
    own: list[list[int]] = [[] for _ in first]
    for number, image in enumerate(index.tolist()):
        own[image].append(number)
    asked = [image for image, numbers in enumerate(own) if numbers]
    drawn = np.arange(1, len(first) + 1, dtype=np.int64) * _SPREAD % len(captions)
    variant = {"articles": articles, "count": count}

    def precisions(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(captions[found[i]], [captions[n] for n in own[i]]) for i in asked]
        whole = [k_precision(said, references, articles, count) for said, references in pairs]
        words = [k_precision_of_words(tagger(said), references) for said, references in pairs]
        return np.array(whole), np.array([np.nan if one is None else one for one in words])

    whole, words = precisions(first)
    chance, chance_words = precisions(drawn)
    hit = np.array([index[first[i]] == i for i in asked], dtype=bool)
    figures: dict[str, Any] = {"image_to_text_R@1": share(hit, _r1_chance(own, asked, len(index)))}
    misses: dict[str, Any] = {}
    for rows, into in ((np.ones_like(hit), figures), (~hit, misses)):
        into["k_precision"] = share(whole[rows], 100 * float(chance.mean()), **variant)
        none = int(np.isnan(words[rows]).sum())
        into["k_precision_na"] = share(
            np.nan_to_num(words[rows]), 100 * float(np.nan_to_num(chance_words).mean()),
            without_nouns_and_adjectives=none,
        )  # fmt: skip
    return figures | {"misses": misses}


def _r1_chance(own: list[list[int]], asked: list[int], captions: int) -> float:
    return 100.0 * float(np.mean([len(own[image]) for image in asked])) / captions


def scene_precision(scenes: Scenes, found: Features, first: np.ndarray) -> dict[str, Any]:
    """What of the caption found first is true of the scene, whoever it was made for.

    ``scene_precision``: the share of its shapes, colours, sizes and textures that some object has.
    ``phrase_precision``: the share of its noun phrases that some object fits as a whole. ``true``:
    whether all of it is. ``misses``: the same where it is not the scene's own.
    """
    forms = [c.form for item in found.items for c in _captions(scenes, int(item))]
    index = found.image_index
    drawn = np.arange(1, len(first) + 1, dtype=np.int64) * _SPREAD % len(forms)

    def judged(numbers: np.ndarray) -> np.ndarray:
        return np.array([_judged(scenes, int(item), forms[n])
                         for item, n in zip(found.items, numbers)])  # fmt: skip

    values, chance = judged(first), judged(drawn)
    missed = index[first] != np.arange(len(first))
    names = ("scene_precision", "phrase_precision", "true")
    parts: dict[str, Any] = {"misses": {}}
    for rows, into in ((np.ones_like(missed), parts), (missed, parts["misses"])):
        for k, name in enumerate(names):
            into[name] = share(values[rows, k], 100 * float(chance[:, k].mean()))
    return parts


def _captions(scenes: Scenes, item: int) -> list[Any]:
    return scenes.labelled_captions(item)[: scenes.max_captions]


def _judged(scenes: Scenes, item: int, form: tuple) -> tuple[float, float, float]:
    scene, shown, words = scenes.scene(item), scenes.shown_words(item), named(form)
    phrases = phrases_of(form)
    fitting = [fits_any(phrase, scene) for phrase in phrases]
    return len(words & shown) / len(words), float(np.mean(fitting)), float(holds(form, scene))


def _with(figures: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both, those of misses together and last."""
    misses = figures.pop("misses") | more.pop("misses")
    return figures | more | {"misses": misses}
