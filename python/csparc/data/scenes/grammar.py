"""Captions drawn of scenes, with the logical form of what each says.

::

    S    -> [P] NP [', i like it'] | [P] NP REL NP | [P] LIST | 'there' BE NUM NOUNS
            | [P] NP 'on' STUFF, where the ground is no plain grey
    P    -> 'a picture of' | 'there is' | 'an image showing'
    NP   -> 'a' [SIZE] [COLOUR] [TEXTURE] NOUN          LIST -> NP {',' NP} 'and' NP
    REL  -> 'left of' | 'right of' | 'above' | 'below' | 'next to'

An attribute is named with the probability of ``KEEP``: colour stays well below 1, because a model
that can tell all captions apart by colour does not learn shapes.

What a caption says is a logical form (`csparc.data.scenes.forms`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from csparc import _random
from csparc._repr import fields_line
from csparc.data.scenes.forms import RELATION_TESTS
from csparc.data.scenes.scene import Scene, SceneObject
from csparc.data.scenes.wording import (
    AND,
    COMMA,
    PREFIXES,
    RELATIONS,
    TAIL,
    Words,
    counted,
    noun_phrase,
)

KEEP = {"colour": 0.6, "size": 0.3, "texture": 0.3}
LIKE = 0.05
_CAPTION_STREAM = 1 << 32  # beside the streams of the scenes themselves
_WORDS_AT_ONCE = 96
_ONE = 1 << 64


@dataclasses.dataclass(frozen=True)
class Phrase:
    """Tokens ``start`` <= i < ``stop`` name the objects with these numbers."""

    start: int
    stop: int
    objects: tuple[int, ...]

    __repr__ = fields_line


@dataclasses.dataclass(frozen=True)
class Caption:
    """A caption with its labels: one part of speech (Universal Dependencies tag) per token."""

    tokens: tuple[str, ...]
    pos: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    form: tuple

    __repr__ = fields_line

    @property
    def text(self) -> str:
        """The sentence as written."""
        return " ".join(self.tokens).replace(" ,", ",")

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """(first, last + 1) characters of every token in ``text``."""
        spans, at = [], 0
        for token in self.tokens:
            at = at if token == "," or not spans else at + 1
            spans.append((at, at + len(token)))
            at += len(token)
        return tuple(spans)


def captions(scene: Scene, seed: int, stream: int, index: int, count: int = 5) -> list[Caption]:
    """``count`` captions of a scene, no two with the same text, all true.

    Template, objects and attributes are drawn independently for each, from numbers that depend on
    (seed, stream, index) only. Cost: about 10 microseconds a caption.
    """
    draw = _Draws(seed, (_CAPTION_STREAM + stream, index))
    related = [
        (first, name, second)
        for first, second in itertools.permutations(scene.objects, 2)
        for name, test in RELATION_TESTS.items()
        if test(first, second)
    ]
    found: dict[tuple[str, ...], Caption] = {}
    while len(found) < count:
        caption = _caption(scene, related, draw)
        found.setdefault(caption.tokens, caption)
    return list(found.values())


class _Draws:
    """Random decisions taken one after another from one stream."""

    def __init__(self, seed: int, stream: tuple[int, int]):
        self._words = self._endless(seed, stream)

    @staticmethod
    def _endless(seed: int, stream: tuple[int, int]) -> Iterator[int]:
        for block in itertools.count():
            yield from _random.bits(seed, (*stream, block), _WORDS_AT_ONCE).tolist()

    def below(self, bound: int) -> int:
        return next(self._words) * bound >> 64

    def chance(self, probability: float) -> bool:
        return next(self._words) < probability * _ONE

    def pick(self, items):
        return items[self.below(len(items))]


class _Writer:
    """Collects the tokens of one caption."""

    def __init__(self):
        self.tokens: list[str] = []
        self.pos: list[str] = []
        self.phrases: list[Phrase] = []

    def add(self, words: Words) -> None:
        for token, pos in words:
            self.tokens.append(token)
            self.pos.append(pos)

    def noun_phrase(self, item: SceneObject, draw: _Draws) -> tuple:
        """Write 'a' [SIZE] [COLOUR] [TEXTURE] NOUN and return its logical form."""
        colour = item.colour if draw.chance(KEEP["colour"]) else None
        size = item.size if draw.chance(KEEP["size"]) else None
        texture = item.texture if draw.chance(KEEP["texture"]) else None
        words = noun_phrase(item.shape, colour, size, texture)
        start = len(self.tokens)
        self.add(words)
        self.phrases.append(Phrase(start, len(self.tokens), (item.number,)))
        return (item.shape, colour, size, texture)

    def caption(self, form: tuple) -> Caption:
        return Caption(tuple(self.tokens), tuple(self.pos), tuple(self.phrases), form)


def _caption(scene: Scene, related: list, draw: _Draws) -> Caption:
    templates = [_write_one, _write_count]
    if len(scene.objects) > 1:
        templates.append(_write_list)
    if related:
        templates.append(_write_relation)
    if scene.bands is not None:
        templates.append(_write_on)
    write = draw.pick(templates)
    writer = _Writer()
    return writer.caption(write(writer, scene, related, draw))


def _write_one(writer: _Writer, scene: Scene, related: list, draw: _Draws) -> tuple:
    writer.add(draw.pick(PREFIXES))
    phrase = writer.noun_phrase(draw.pick(scene.objects), draw)
    if draw.chance(LIKE):
        writer.add(TAIL)
    return ("exists", phrase)


def _write_list(writer: _Writer, scene: Scene, related: list, draw: _Draws) -> tuple:
    writer.add(draw.pick(PREFIXES))
    rest = list(scene.objects)
    count = 2 + draw.below(len(rest) - 1)
    phrases = []
    for place in range(count):
        if place > 0:
            writer.add(AND if place == count - 1 else COMMA)
        phrases.append(writer.noun_phrase(rest.pop(draw.below(len(rest))), draw))
    return ("exists", *phrases)


def _write_relation(writer: _Writer, scene: Scene, related: list, draw: _Draws) -> tuple:
    writer.add(draw.pick(PREFIXES))
    first, name, second = draw.pick(related)
    subject = writer.noun_phrase(first, draw)
    writer.add(RELATIONS[name])
    return ("relation", name, subject, writer.noun_phrase(second, draw))


def _write_on(writer: _Writer, scene: Scene, related: list, draw: _Draws) -> tuple:
    writer.add(draw.pick(PREFIXES))
    item = draw.pick(scene.objects)
    phrase, stuff = writer.noun_phrase(item, draw), scene.stands_on(item)
    writer.add((("on", "ADP"), (stuff, "NOUN")))
    return ("on", stuff, phrase)


def _write_count(writer: _Writer, scene: Scene, related: list, draw: _Draws) -> tuple:
    shape = draw.pick(scene.objects).shape
    numbers = tuple(item.number for item in scene.objects if item.shape == shape)
    count = len(numbers)
    writer.add(counted(count, shape))
    writer.phrases.append(Phrase(2, 4, numbers))
    return ("count", count, shape)
