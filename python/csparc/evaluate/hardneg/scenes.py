"""Hard negatives of generated scenes, whose truth is known, and which no words give away.

The two captions of a pair come from the same cell of the grammar, so that either could be the right
one: as often as one caption stands against the other in these data, the other stands against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from csparc import _random
from csparc._repr import fields_line
from csparc.data.scenes import Scenes
from csparc.data.scenes.changes import evened
from csparc.data.scenes.forms import holds
from csparc.data.scenes.scene import COLOURS, SHAPES, SPLITS, TIERS, Scene
from csparc.data.scenes.wording import NUMBERS, PLURALS, RELATIONS, noun_phrase

KINDS = ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj", "count")
"""Another colour; another shape; the opposite relation; the colours of two objects, or the objects
of a relation, exchanged (the same words); another number."""

_STREAM = 1 << 33  # beside the streams of the scenes and of their captions
_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_COUNTS = {1: 2, 2: 1}


@dataclass(frozen=True)
class Negative:
    """Scene ``item``, what is true of it and what is not, as text and as logical form."""

    item: int
    kind: str
    caption: str
    negative: str
    form: tuple
    negative_form: tuple

    __repr__ = fields_line


def scene_negatives(scenes: Scenes, kind: str) -> list[Negative]:
    """One hard negative of a kind for each scene that has one.

    Which objects, relations and replacements are taken depends on (seed, split, scene) alone. Of
    ``count`` scenes are left out until each shape has as many of one object as of two.
    """
    made = _KINDS[kind]
    found = []
    for item in range(len(scenes)):
        scene = scenes.scene(item)
        draws = _random.bits(scenes.seed, (_STREAM + SPLITS[scenes.split].stream, item), 2)
        for form, wrong in made(scene, *draws.tolist()):
            if holds(form, scene) and not holds(wrong, scene):
                found.append(Negative(item, kind, written(form), written(wrong), form, wrong))
                break
    if kind != "count":
        return found
    return evened(
        tuple([one for one in found if one.form[1:] == (n, shape)] for n in _COUNTS)
        for shape in SHAPES
    )


def written(form: tuple) -> str:
    """The caption of a form of one or two phrases, a relation or a count."""
    kind, *rest = form
    if kind == "count":
        count, shape = rest
        noun = shape if count == 1 else PLURALS.get(shape, f"{shape}s")
        return f"there {'is' if count == 1 else 'are'} {NUMBERS[count]} {noun}"
    if kind == "relation":
        name, *rest = rest
        middle = " ".join(word for word, _ in RELATIONS[name])
    else:
        middle = "and"
    return f" {middle} ".join(" ".join(word for word, _ in noun_phrase(*one)) for one in rest)


_Forms = Iterator[tuple[tuple, tuple]]
"""(what may be true, what may be false) of a scene and of two numbers drawn for it."""


def _turned(values: list, by: int) -> list:
    return values[by % len(values) :] + values[: by % len(values)] if values else []


def _others(words: list[str], own: set[str], draw: int) -> list[str]:
    """The words of a vocabulary that no object has."""
    return _turned([word for word in words if word not in own], draw)


def _is_seen(scene: Scene, colour: str, shape: str) -> bool:
    """Whether training has objects of this colour and shape: others would be told by that alone."""
    pair = (COLOURS.index(colour), SHAPES.index(shape))
    return pair not in TIERS[scene.tier].unseen_pairs


def _replace_attribute(scene: Scene, draw: int, word_draw: int) -> _Forms:
    known = COLOURS[: TIERS[scene.tier].colours]
    for one in _turned(list(scene.objects), draw):
        seen = [colour for colour in known if _is_seen(scene, colour, one.shape)]
        for colour in _others(seen, {o.colour for o in scene.objects}, word_draw):
            yield _one(one.shape, one.colour), _one(one.shape, colour)


def _replace_object(scene: Scene, draw: int, word_draw: int) -> _Forms:
    known = SHAPES[: TIERS[scene.tier].shapes]
    for one in _turned(list(scene.objects), draw):
        seen = [shape for shape in known if _is_seen(scene, one.colour, shape)]
        for shape in _others(seen, {o.shape for o in scene.objects}, word_draw):
            yield _one(one.shape, one.colour), _one(shape, one.colour)


def _one(shape: str, colour: str) -> tuple:
    return ("exists", (shape, colour, None, None))


def _two(scene: Scene, draw: int) -> list[tuple]:
    """Phrases of two objects that differ in both words, each pair in an order of its own."""
    pairs = [
        ((a.shape, a.colour, None, None), (b.shape, b.colour, None, None))
        for a in scene.objects
        for b in scene.objects
        if a.shape != b.shape and a.colour != b.colour
    ]
    return _turned(pairs, draw)


def _replace_relation(scene: Scene, draw: int, word_draw: int) -> _Forms:
    for a, b in _two(scene, draw):
        for name, other in _turned(list(_OPPOSITE.items()), word_draw):
            yield ("relation", name, a, b), ("relation", other, a, b)


def _swap_attributes(scene: Scene, draw: int, word_draw: int) -> _Forms:
    for a, b in _two(scene, draw):
        if _is_seen(scene, b[1], a[0]) and _is_seen(scene, a[1], b[0]):
            swapped = (a[0], b[1], None, None), (b[0], a[1], None, None)
            yield ("exists", a, b), ("exists", *swapped)


def _swap_objects(scene: Scene, draw: int, word_draw: int) -> _Forms:
    for a, b in _two(scene, draw):
        for name in _turned(list(_OPPOSITE), word_draw):
            yield ("relation", name, a, b), ("relation", name, b, a)


def _count(scene: Scene, draw: int, word_draw: int) -> _Forms:
    shapes = [one.shape for one in scene.objects]
    several_first = sorted(_turned(sorted(set(shapes)), draw), key=lambda s: -shapes.count(s))
    for shape in several_first:
        count = shapes.count(shape)
        if count in _COUNTS:
            yield ("count", count, shape), ("count", _COUNTS[count], shape)


_KINDS: dict[str, Callable[[Scene, int, int], _Forms]] = dict(
    zip(
        KINDS,
        (_replace_attribute, _replace_object, _replace_relation, _swap_attributes, _swap_objects,
         _count),
    )
)  # fmt: skip
