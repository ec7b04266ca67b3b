"""Logical forms: what captions say of scenes, and whether it is true.

A logical form is nested tuples, equal to what ``json`` reads back after ``tupled``::

    ("exists", NP...)            different objects fit the noun phrases
    ("relation", REL, NP, NP)    an object fitting the first stands so to one fitting the second
    ("count", n, shape)          exactly n objects have the shape
    ("on", stuff, NP)            an object fitting it has its centre before that stuff

with NP = (shape, colour | None, size | None, texture | None).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from csparc.data.scenes.scene import Scene, SceneObject

# A direction may be claimed when the centres differ by more than MARGIN of the side along it, and
# DOMINANCE times more than across it; "next to" when they are closer than NEAR.
MARGIN, DOMINANCE, NEAR = 0.12, 1.3, 0.35


def _beyond(along: float, across: float) -> bool:
    return along > MARGIN and along > DOMINANCE * abs(across)


RELATION_TESTS: dict[str, Callable[[SceneObject, SceneObject], bool]] = {
    "left of": lambda a, b: _beyond(b.x - a.x, b.y - a.y),
    "right of": lambda a, b: _beyond(a.x - b.x, a.y - b.y),
    "above": lambda a, b: _beyond(b.y - a.y, b.x - a.x),
    "below": lambda a, b: _beyond(a.y - b.y, a.x - b.x),
    "next to": lambda a, b: (a.x - b.x) ** 2 + (a.y - b.y) ** 2 < NEAR**2,
}


def fits(item: SceneObject, phrase: tuple) -> bool:
    """Whether an object is all that a noun phrase says."""
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
    return any(fits(item, phrase) for item in scene.objects)


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
            all(map(fits, chosen, rest))
            for chosen in itertools.permutations(scene.objects, len(rest))
        )
    if kind == "relation" and rest[0] in RELATION_TESTS:
        test, subject, other = RELATION_TESTS[rest[0]], rest[1], rest[2]
        return any(
            fits(a, subject) and fits(b, other) and test(a, b)
            for a, b in itertools.permutations(scene.objects, 2)
        )
    if kind == "on":
        stuff, phrase = rest
        return any(fits(o, phrase) and scene.stands_on(o) == stuff for o in scene.objects)
    raise ValueError(f"logical form: expected exists, relation, count or on, found {form!r}")


def tupled(form: list | tuple) -> tuple:
    """A logical form read from JSON, its lists turned back into tuples."""
    return tuple(tupled(part) if isinstance(part, (list, tuple)) else part for part in form)
