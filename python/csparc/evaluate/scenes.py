"""What generated scenes allow and photographs do not: known truth of captions, known objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc.evaluate.grounding import alignment_scores
from csparc.evaluate.tasks import Subject, Task, TaskResult, register

if TYPE_CHECKING:
    from csparc.data.scenes.dataset import Scenes

_LEAST_COVER = 0.25
_RANDOM_PAIRS = 4096


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
        from csparc.evaluate.encode import encode_dataset

        found = encode_dataset(
            subject.model, subject.tokenizer, subject.data, subject.preprocess,
            batch_size=subject.batch_size, progress=subject.progress,
            should_stop=subject.should_stop,
        )  # fmt: skip
        if found is None:
            return None
        arrays = (found.image_features, found.text_features, found.image_index, found.items)
        return TaskResult(semantic_recall(subject.data, *arrays), found.problems)

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Both directions beside the share of random pairs that are true."""
        chance = figures["chance"]
        return [f"{'':28s}{'true':>10s}{'chance':>10s}"] + [
            f"{name:28s}{figures[name]:8.2f} %{chance:8.2f} %" for name in self.main
        ]


@dataclass(frozen=True)
class Named:
    """A word that names one object: characters ``start`` to ``stop`` of the caption, its part of
    speech, the patches [P] (bool) of its object and those of all other objects."""

    start: int
    stop: int
    pos: str
    inside: np.ndarray
    outside: np.ndarray

    __repr__ = fields_line


def is_true(scenes: Scenes, item: int, owner: int, number: int) -> bool:
    """Whether caption ``number`` of scene ``owner`` is also true of scene ``item``."""
    from csparc.data.scenes.grammar import holds

    return holds(scenes.labelled_captions(owner)[number].form, scenes.scene(item))


def semantic_recall(scenes: Scenes, image_features, text_features, image_index, items=None) -> dict:
    """Per cent of queries whose first answer is right by meaning, and what chance would give.

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
        evenly, whose caption is true.
    """
    from csparc.data.scenes.grammar import holds

    index = np.asarray(image_index)
    images = np.asarray(image_features, dtype=np.float32)
    texts = np.asarray(text_features, dtype=np.float32)
    items = np.arange(len(images)) if items is None else np.asarray(items)
    number = caption_numbers(index)
    forms = [scenes.labelled_captions(int(items[row]))[k].form for row, k in zip(index, number)]
    views = [scenes.scene(int(item)) for item in items]
    first_text = [int(np.argmax(texts @ image)) for image in images]
    first_image = [int(np.argmax(images @ text)) for text in texts]
    pairs = np.arange(min(_RANDOM_PAIRS, len(images) * len(texts)), dtype=np.int64)
    spread = pairs * 2654435761 % (len(images) * len(texts))
    return {
        "image_to_text": _share([holds(forms[j], views[i]) for i, j in enumerate(first_text)]),
        "text_to_image": _share([holds(forms[j], views[i]) for j, i in enumerate(first_image)]),
        "chance": _share([holds(forms[p % len(texts)], views[p // len(texts)]) for p in spread]),
    }


def single_object_captions(scenes: Scenes, item: int) -> list[tuple[int, int]]:
    """(caption, object) for the captions of a scene of several objects that speak of one only."""
    scene = scenes.scene(item)
    if len(scene.objects) < 2:
        return []
    spoken = [
        {number for phrase in caption.phrases for number in phrase.objects}
        for caption in scenes.labelled_captions(item)
    ]
    return [(k, next(iter(named))) for k, named in enumerate(spoken) if len(named) == 1]


def sentence_placement(
    scenes: Scenes,
    items: Sequence[int],
    objects: Sequence[int],
    maps: np.ndarray,
    grid: tuple[int, int],
) -> dict:
    """`alignment_scores` of whole sentences: ``maps[b]`` [P] of a sentence about ``objects[b]``."""
    owners = np.array([_patch_owners(scenes.scene(item).masks, grid) for item in items])
    owners = owners.reshape(len(items), grid[0] * grid[1])
    inside = owners == np.asarray(objects)[:, None]
    return alignment_scores(maps, inside, (owners >= 0) & ~inside)


def caption_numbers(image_index: np.ndarray) -> np.ndarray:
    """The place of each caption among the captions of its own picture, from 0."""
    seen: dict[int, int] = {}
    numbers = np.empty(len(image_index), dtype=np.int64)
    for place, image in enumerate(np.asarray(image_index).tolist()):
        numbers[place] = seen.get(image, 0)
        seen[image] = numbers[place] + 1
    return numbers


def named_words(scenes: Scenes, item: int, number: int, grid: tuple[int, int]) -> list[Named]:
    """The nouns and adjectives of a caption that name a single object, with their patches.

    A patch belongs to the object that covers most of it, if that covers a quarter of it or more.
    """
    caption = scenes.labelled_captions(item)[number]
    owner = _patch_owners(scenes.scene(item).masks, grid)
    words = []
    for phrase in caption.phrases:
        if len(phrase.objects) != 1:
            continue
        inside = owner == phrase.objects[0]
        for place in range(phrase.start, phrase.stop):
            if caption.pos[place] in ("NOUN", "ADJ"):
                start, stop = caption.offsets[place]
                words.append(Named(start, stop, caption.pos[place], inside, (owner >= 0) & ~inside))
    return words


def placement(
    scenes: Scenes,
    items: Sequence[int],
    numbers: Sequence[int],
    words: Sequence[Sequence[str]],
    weights: Sequence[np.ndarray],
    grid: tuple[int, int],
) -> dict[str, dict]:
    """`alignment_scores` of the words that name an object, for nouns and for adjectives.

    ``words[b]`` are the pieces of caption ``numbers[b]`` of scene ``items[b]`` in order, and
    ``weights[b]`` [T, P] their weights. Pieces of one word are averaged.
    """
    rows: dict[str, list] = {"NOUN": [], "ADJ": []}
    for item, number, pieces, given in zip(items, numbers, words, weights, strict=True):
        text = scenes.labelled_captions(item)[number].text
        spans = piece_spans(text, pieces)
        for name in named_words(scenes, item, number, grid):
            own = [
                t
                for t, (start, stop) in enumerate(spans)
                if start < name.stop and stop > name.start
            ]
            if own:
                rows[name.pos].append((given[own].mean(axis=0), name.inside, name.outside))
    return {
        pos: alignment_scores(*(np.array(column) for column in zip(*found)))
        for pos, found in rows.items()
        if found
    }


def piece_spans(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """First and last + 1 character of each piece in ``text``, found one after another.

    A piece that does not occur after the one before it (an unknown word) gets an empty span there.
    """
    spans, at, lower = [], 0, text.lower()
    for piece in pieces:
        bare = piece.strip().lower()
        start = lower.find(bare, at) if bare else -1
        if start < 0:
            spans.append((at, at))
        else:
            at = start + len(bare)
            spans.append((start, at))
    return spans


def _patch_owners(masks: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """For each patch the number of its object, or -1: [P] from masks [objects, H, W]."""
    count, height, width = masks.shape
    rows, columns = grid
    cover = masks.reshape(count, rows, height // rows, columns, width // columns).mean(axis=(2, 4))
    cover = cover.reshape(count, rows * columns)
    return np.where(cover.max(axis=0) >= _LEAST_COVER, cover.argmax(axis=0), -1)


def _share(values: list) -> float:
    return 100.0 * float(np.mean(values))
