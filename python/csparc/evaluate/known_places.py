"""Where words and sentences lie, against the known places of what they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc.evaluate.explain import (
    Explanation,
    LocalFeatures,
    caption_features,
    explanations,
    sentence_maps,
)
from csparc.evaluate.grounding import partners
from csparc.evaluate.named_words import (
    Frame,
    ceiling,
    sentence_placement,
    single_object_captions,
    word_places,
)

if TYPE_CHECKING:
    from csparc.data.dataset import Dataset

_BLOCK = 64


@dataclass(frozen=True)
class Sentences:
    """Captions that speak of one region of several: picture, caption and region of each [M], and
    over the patches [M, P] the whole sentence's cosines."""

    items: list[int]
    numbers: list[int]
    objects: list[int]
    maps: np.ndarray

    __repr__ = fields_line


@dataclass(frozen=True)
class Weigher:
    """A model, what it is shown of a picture, and the loss whose weights are measured; ``rule`` as
    in `LocalFeatures.alignment`, ``specials`` as in `local_features`."""

    model: Any
    tokenizer: Any
    frame: Frame
    loss: Any
    rule: str = "own"
    specials: bool = False

    __repr__ = fields_line

    def explained(self, found: LocalFeatures, rows: np.ndarray | None = None) -> list[Explanation]:
        """The weights of every pair's words, on its own patches or those of pictures ``rows``."""
        explained = []
        for first in range(0, len(found.ids), _BLOCK):
            here = slice(first, first + _BLOCK)
            aligned = found.alignment(self.loss, self.rule, here, rows)
            explained += explanations(
                self.tokenizer, found.ids[here], aligned, self.model.config.grid
            )
        return explained

    def ranking(self, found: LocalFeatures, rows: np.ndarray) -> np.ndarray:
        """What orders the patches of pictures ``rows`` [B] by whole captions: [B, P]."""
        steps = range(0, len(rows), _BLOCK)
        return np.concatenate(
            [
                found.alignment(self.loss, self.rule, slice(first, first + _BLOCK), rows).ranking
                for first in steps
            ]
        )


def known_places(
    data: Dataset,
    items: Sequence[int],
    counts: Sequence[int],
    found: LocalFeatures,
    sentences: Sentences,
    by: Weigher,
    by_word: bool,
) -> dict[str, Any]:
    """``placement``, ``placement_swapped``, ``sentence_placement`` and ``ceiling`` of `diagnose`.

    ``found`` has the first ``counts[n]`` captions of each of the pictures ``items``; ``by_word``
    says whether words have weights, or captions as a whole.
    """
    grid, size = by.model.config.grid, by.model.config.image_size

    def placed(maps: np.ndarray) -> dict:
        return sentence_placement(data, sentences.items, sentences.objects, maps, grid, by.frame)

    if not by_word:
        own, swapped = (placed(maps) for maps in caption_maps(data, sentences, items, found, by))
        result = {"placement": {"CAPTION": own}, "placement_swapped": {"CAPTION": swapped}}
        return result | {"sentence_placement": placed(sentences.maps)}
    pairs = np.repeat(items, counts).tolist()
    numbers = [number for count in counts for number in range(count)]
    explained = by.explained(found)
    elsewhere = by.explained(found, found.rows[partners(found.rows)])
    words = word_places(data, pairs, numbers, [one.words for one in explained], grid, by.frame)
    result = {
        "placement": words.scores([one.ranking for one in explained]),
        "placement_swapped": words.scores([one.ranking for one in elsewhere]),
        "sentence_placement": placed(sentences.maps),
    }
    highest = ceiling(data, size, grid)
    return result if highest is None else result | {"ceiling": highest}


def single_object_sentences(
    model: Any, tokenizer: Any, data: Dataset, items: Sequence[int], images: np.ndarray
) -> Sentences:
    """Those of the pictures ``items``, whose pictures are ``images`` float32 [B, 3, S, S]."""
    found = [
        (row, number, named)
        for row, item in enumerate(items)
        for number, named in single_object_captions(data, item)
    ]
    if not found:
        return Sentences([], [], [], np.zeros((0, model.config.grid[0] * model.config.grid[1])))
    rows, numbers, objects = (list(column) for column in zip(*found))
    captions = [data.captions(items[row])[number] for row, number, _ in found]
    maps = sentence_maps(model, tokenizer, images, captions, rows=np.array(rows))
    return Sentences([items[row] for row in rows], numbers, objects, maps)


def joined_sentences(parts: Sequence[Sentences]) -> Sentences:
    """Those of several batches, one after another, before they are weighed."""
    lists = (
        [one for part in parts for one in getattr(part, name)]
        for name in ("items", "numbers", "objects")
    )
    return Sentences(*lists, np.concatenate([part.maps for part in parts]))


def caption_maps(
    data: Dataset,
    sentences: Sentences,
    items: Sequence[int],
    found: LocalFeatures,
    by: Weigher,
) -> tuple[np.ndarray, np.ndarray]:
    """What a loss that weighs by whole captions orders patches by [M, P]: on each sentence's own
    picture, and on another one.

    ``found`` has the patches of the pictures ``items``; another picture's are those of the next.
    """
    if not sentences.items:
        return sentences.maps, sentences.maps
    row_of = {item: row for row, item in enumerate(items)}
    rows = np.array([row_of[item] for item in sentences.items])
    captions = [data.captions(i)[k] for i, k in zip(sentences.items, sentences.numbers)]
    texts = caption_features(by.model, by.tokenizer, captions, specials=by.specials)
    spoken = LocalFeatures(found.patches, *texts, rows)
    others = partners(np.arange(len(items)))[rows]
    return by.ranking(spoken, rows), by.ranking(spoken, others)
