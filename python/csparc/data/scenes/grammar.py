"""Captions of scenes, what they say (logical forms), and whether that is true of a scene.

::

    S    -> [P] NP [', i like it'] | [P] NP REL NP | [P] LIST | 'there' BE NUM NOUNS
            | [P] NP 'on' STUFF, where the ground is no plain grey
    P    -> 'a picture of' | 'there is' | 'an image showing'
    NP   -> 'a' [SIZE] [COLOUR] [TEXTURE] NOUN          LIST -> NP {',' NP} 'and' NP
    REL  -> 'left of' | 'right of' | 'above' | 'below' | 'next to'

An attribute is named with the probability of ``KEEP``: colour stays well below 1, because a model
that can tell all captions apart by colour does not learn shapes.

A logical form is nested tuples, equal to what ``json`` reads back after ``tupled``::

    ("exists", NP...)            different objects fit the noun phrases
    ("relation", REL, NP, NP)    an object fitting the first stands so to one fitting the second
    ("count", n, shape)          exactly n objects have the shape
    ("on", stuff, NP)            an object fitting it has its centre before that stuff

with NP = (shape, colour | None, size | None, texture | None).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

from csparc import _random
from csparc._repr import fields_line
from csparc.data.scenes.scene import Scene, SceneObject

KEEP = {"colour": 0.6, "size": 0.3, "texture": 0.3}
LIKE = 0.05
Words = tuple[tuple[str, str], ...]  # (token, part of speech)
PREFIXES: tuple[Words, ...] = (
    (),
    (("a", "DET"), ("picture", "NOUN"), ("of", "ADP")),
    (("there", "PRON"), ("is", "VERB")),
    (("an", "DET"), ("image", "NOUN"), ("showing", "VERB")),
)
AND: Words = (("and", "CCONJ"),)
COMMA: Words = ((",", "PUNCT"),)
TAIL: Words = (*COMMA, ("i", "PRON"), ("like", "VERB"), ("it", "PRON"))
RELATIONS: dict[str, Words] = {
    "left of": (("left", "ADV"), ("of", "ADP")),
    "right of": (("right", "ADV"), ("of", "ADP")),
    "above": (("above", "ADP"),),
    "below": (("below", "ADP"),),
    "next to": (("next", "ADV"), ("to", "ADP")),
}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
PLURALS = {"cross": "crosses"}

# A direction may be claimed when the centres differ by more than MARGIN of the side along it, and
# DOMINANCE times more than across it; "next to" when they are closer than NEAR.
MARGIN, DOMINANCE, NEAR = 0.12, 1.3, 0.35

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
        for name, test in _TESTS.items()
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


@functools.cache
def noun_phrase(
    shape: str, colour: str | None, size: str | None = None, texture: str | None = None
) -> Words:
    """'a' [SIZE] [COLOUR] [TEXTURE] NOUN, with what each word is."""
    words = [word for word in (size, colour, texture) if word]
    article = "an" if (*words, shape)[0][0] in "aeiou" else "a"
    return ((article, "DET"), *((word, "ADJ") for word in words), (shape, "NOUN"))


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
    writer.add(_counted(count, shape))
    writer.phrases.append(Phrase(2, 4, numbers))
    return ("count", count, shape)


def _counted(count: int, shape: str) -> Words:
    """'there' BE NUM NOUNS."""
    noun = shape if count == 1 else PLURALS.get(shape, shape + "s")
    verb = "is" if count == 1 else "are"
    return (("there", "PRON"), (verb, "VERB"), (NUMBERS[count], "NUM"), (noun, "NOUN"))


def _beyond(along: float, across: float) -> bool:
    return along > MARGIN and along > DOMINANCE * abs(across)


_TESTS: dict[str, Callable[[SceneObject, SceneObject], bool]] = {
    "left of": lambda a, b: _beyond(b.x - a.x, b.y - a.y),
    "right of": lambda a, b: _beyond(a.x - b.x, a.y - b.y),
    "above": lambda a, b: _beyond(b.y - a.y, b.x - a.x),
    "below": lambda a, b: _beyond(a.y - b.y, a.x - b.x),
    "next to": lambda a, b: (a.x - b.x) ** 2 + (a.y - b.y) ** 2 < NEAR**2,
}


def _fits(item: SceneObject, phrase: tuple) -> bool:
    shape, colour, size, texture = phrase
    return (
        item.shape == shape
        and colour in (None, item.colour)
        and size in (None, item.size)
        and texture in (None, item.texture)
    )


def named(form: tuple) -> frozenset[str]:
    """The shapes, colours, sizes, textures and stuff that a logical form names."""
    words = {word for phrase in phrases_of(form) for word in phrase if word is not None}
    return frozenset(words | {form[1]} if form[0] == "on" else words)


def phrases_of(form: tuple) -> list[tuple]:
    """The noun phrases (shape, colour, size, texture) of a logical form; of a count its shape."""
    kind, *rest = form
    if kind == "count":
        return [(rest[1], None, None, None)]
    return [part for part in rest if type(part) is tuple]


def fits_any(phrase: tuple, scene: Scene) -> bool:
    """Whether some object of a scene is all that a noun phrase says."""
    return any(_fits(item, phrase) for item in scene.objects)


def spoken(form: tuple, before: Sequence[str] = (), behind: Sequence[str] = ()) -> str:
    """A sentence that says a logical form, between the words ``before`` and ``behind``."""
    kind, *rest = form
    if kind == "count":
        words = list(_counted(*rest))
    else:
        phrases = [noun_phrase(*part) for part in rest if isinstance(part, tuple)]
        words = [*phrases[0]]
        for place, phrase in enumerate(phrases[1:], 2):
            between = RELATIONS[rest[0]] if kind == "relation" else COMMA
            words += AND if kind == "exists" and place == len(phrases) else between
            words += phrase
    if kind == "on":
        words += (("on", "ADP"), (rest[0], "NOUN"))
    tokens = [*before, *(token for token, _ in words), *behind]
    return " ".join(tokens).replace(" ,", ",")


def holds(form: tuple, scene: Scene) -> bool:
    """Whether a logical form is true of a scene.

    A relation is true only where its margins are met, so it may be false of a scene together with
    its opposite. Raises ValueError for a form this grammar does not have.
    """
    kind, *rest = form
    if kind == "count":
        count, shape = rest
        return sum(item.shape == shape for item in scene.objects) == count
    if kind == "exists":
        return any(
            all(map(_fits, chosen, rest))
            for chosen in itertools.permutations(scene.objects, len(rest))
        )
    if kind == "relation" and rest[0] in _TESTS:
        test, subject, other = _TESTS[rest[0]], rest[1], rest[2]
        return any(
            _fits(a, subject) and _fits(b, other) and test(a, b)
            for a, b in itertools.permutations(scene.objects, 2)
        )
    if kind == "on":
        stuff, phrase = rest
        return any(_fits(o, phrase) and scene.stands_on(o) == stuff for o in scene.objects)
    raise ValueError(f"logical form: expected exists, relation, count or on, found {form!r}")


def tupled(form: list | tuple) -> tuple:
    """A logical form read from JSON, its lists turned back into tuples."""
    return tuple(tupled(part) if isinstance(part, (list, tuple)) else part for part in form)
