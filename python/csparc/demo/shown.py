"""Which pictures, captions and words of them the comparison shows: by rules, never by results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from csparc.demo.data import DemoData
from csparc.evaluate.explain import Explanation
from csparc.evaluate.named_words import Named, named_words, piece_spans
from csparc.viz.compared import ComparedPicture, ComparedWord
from csparc.viz.overlay import above_least

PICTURES = 6
_CAPTIONS_COUNTED = 5000
_COMMON = 0.25
RULES = {
    True: "The first held-out pictures in order that show more than one object, each with the "
    "longest of its sentences. None was chosen by how it came out.",
    False: "The first held-out pictures in order, each with the longest of its sentences. None was "
    "chosen by how it came out.",
}
WORD_RULES = {
    True: "Nouns and colours, which are measured below, stand first; sizes, textures and the rest "
    "behind “the other words”.",
    False: "Words that fewer than a quarter of the sentences have stand first, the rest behind "
    "“the other words”.",
}


def chosen(data: DemoData, items: Sequence[int]) -> list[tuple[int, int]]:
    """(row, caption) of the pictures to show: ``items`` are those held out, by row."""
    shown = [
        row
        for row, item in enumerate(items)
        if data.scenes is None or len(data.scenes.scene(int(item)).objects) > 1
    ][:PICTURES]
    return [(row, _longest(data.held_out.captions(int(items[row])))) for row in shown]


def compared_pictures(
    data: DemoData,
    tokenizer: Any,
    items: Sequence[int],
    pictures: Sequence[np.ndarray],
    captions: Sequence[int],
    explained: Sequence[Sequence[Explanation]],
) -> list[ComparedPicture]:
    """What is shown of N pictures [H, W, 3] of ``data.held_out``: ``items`` and ``captions`` [N]
    are their numbers, ``explained`` a list [N] of every contender."""
    common = frozenset() if data.scenes else common_words(data, tokenizer)
    result = []
    for place, (item, picture, number) in enumerate(zip(items, pictures, captions, strict=True)):
        text = data.held_out.captions(item)[number]
        sides = [side[place] for side in explained]
        levels = [[_level(one, word) for one in sides] for word in range(len(sides[0].words))]
        named = _named(data, item, number, text, sides[0])
        words = [
            ComparedWord(
                word,
                level,
                _is_first(name) if data.scenes else _is_content(tokenizer, word, common),
                None if name is None else name.inside,
            )
            for word, level, name in zip(sides[0].words, levels, named, strict=True)
        ]
        result.append(ComparedPicture(picture, text, words, sides[0].grid))
    return result


def common_words(data: DemoData, tokenizer: Any) -> frozenset[str]:
    """The words that a quarter of the first few thousand training captions has, or more."""
    counts: Counter[str] = Counter()
    captions = list(islice(data.train.all_captions(), _CAPTIONS_COUNTED))
    for caption in captions:
        counts.update(set(tokenizer.words(caption)))
    return frozenset(word for word, count in counts.items() if count >= _COMMON * len(captions))


def _longest(captions: Sequence[str]) -> int:
    return max(range(len(captions)), key=lambda number: len(captions[number]))


def _is_first(name: Named | None) -> bool:
    """Whether a word of a scene's caption is a noun or a colour of one object."""
    return name is not None and not {"NOUN", "COLOUR"}.isdisjoint(name.groups)


def _is_content(tokenizer: Any, word: str, common: frozenset[str]) -> bool:
    spoken = tokenizer.words(word)
    return bool(spoken) and not common.issuperset(spoken)


def _level(one: Explanation, word: int) -> np.ndarray:
    """How much a word selects of each patch, at least 0: its weight, or above its least match."""
    if one.chosen_by is None:
        return np.asarray(one.weights[word])
    return above_least(one.chosen_by[word])


def _named(
    data: DemoData, item: int, number: int, text: str, one: Explanation
) -> list[Named | None]:
    """What is known of each word that names an object, None of the others."""
    if data.scenes is None:
        return [None] * len(one.words)
    named = named_words(data.scenes, item, number, one.grid)
    return [
        next((n for n in named if start < n.stop and stop > n.start), None)
        for start, stop in piece_spans(text, one.words)
    ]
