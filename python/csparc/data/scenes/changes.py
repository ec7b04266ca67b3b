"""Captions changed so that they are false, and scenes changed so that another caption is true.

Kinds of change as SugarCrepe (Hsieh et al. 2023) names them, and ``replace_count``, which is ours.
A changed caption is kept only where the grammar knows it to be false of the scene; all but those
that add something have as many words as the true one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from csparc.data.scenes.forms import holds
from csparc.data.scenes.grammar import Caption
from csparc.data.scenes.scene import COLOURS, GROUNDS, SHAPES, TEXTURES, TIERS, Scene
from csparc.data.scenes.wording import NUMBERS, spoken

_OPPOSITE = {
    "left of": "right of", "right of": "left of", "above": "below", "below": "above",
}  # fmt: skip
_SHAPE, _COLOUR = 0, 1
_Any = TypeVar("_Any")


def changed(scene: Scene, caption: Caption, kind: str, turn: int = 0) -> str | None:
    """A caption of a scene with one change of a kind of `CHANGES` that makes it false of the scene.

    ``turn`` chooses among several; None where there is none.
    """
    false = [form for form in CHANGES[kind](scene, caption.form) if not holds(form, scene)]
    return _text(caption, false[turn % len(false)]) if false else None


def evened(sides: Iterable[tuple[list[_Any], list[_Any]]]) -> list[_Any]:
    """Of each pair of lists as many from the one as from the other, two by two, the later ones left
    out: any two halves of every other item are even, too.

    Where one list has what is true of one object and false of two, and the other the reverse, words
    alone do not tell true from false.
    """
    kept: list[_Any] = []
    for one, other in sides:
        for first in range(0, min(len(one), len(other)) - 1, 2):
            kept += [*one[first : first + 2], *other[first : first + 2]]
    return kept


def exchanged(scene: Scene) -> tuple[Scene, tuple[str, str]] | None:
    """The scene with the colours of two of its objects exchanged, and a caption of each of both.

    Each caption is false of the other scene. None where no two objects differ in colour and shape,
    or the exchange would give a pair of colour and shape that training holds out.
    """
    unseen = {(COLOURS[c], SHAPES[s]) for c, s in TIERS[scene.tier].unseen_pairs}
    for one, two in itertools.combinations(scene.objects, 2):
        pairs = {(one.colour, two.shape), (two.colour, one.shape)}
        if one.colour == two.colour or one.shape == two.shape or pairs & unseen:
            continue
        record = scene.record.copy()
        record[[one.number, two.number], 1] = record[[two.number, one.number], 1]
        other = Scene(scene.tier, record, scene.ground)
        forms = [
            ("exists", (one.shape, first, None, None), (two.shape, second, None, None))
            for first, second in ((one.colour, two.colour), (two.colour, one.colour))
        ]
        if not holds(forms[0], other) and not holds(forms[1], scene):
            return other, tuple(spoken(form) for form in forms)
    return None


def _text(caption: Caption, form: tuple) -> str:
    """The caption with another logical form in the place of its own."""
    if form[0] == "count":
        return spoken(form)
    before = caption.tokens[: caption.phrases[0].start]
    behind = () if form[0] == "on" else caption.tokens[caption.phrases[-1].stop :]
    return spoken(form, before, behind)


def _phrases(form: tuple) -> list[tuple]:
    return [part for part in form[1:] if isinstance(part, tuple)]


def _with(form: tuple, phrases: list[tuple]) -> tuple:
    """The form with other noun phrases."""
    return (*(part for part in form if not isinstance(part, tuple)), *phrases)


def _replaced(form: tuple, place: int, slot: int, words: tuple[str, ...]) -> Iterator[tuple]:
    """The form with each of ``words`` in a slot of a noun phrase, but for the one that is there."""
    phrases = _phrases(form)
    for word in words:
        if word != phrases[place][slot]:
            other = (*phrases[place][:slot], word, *phrases[place][slot + 1 :])
            yield _with(form, [*phrases[:place], other, *phrases[place + 1 :]])


def _replace_attribute(scene: Scene, form: tuple) -> Iterator[tuple]:
    tier = TIERS[scene.tier]
    words = (COLOURS[: tier.colours], tier.size_names, TEXTURES[: tier.textures])
    for place, phrase in enumerate(_phrases(form)):
        for slot in (1, 2, 3):
            if phrase[slot] is not None:
                yield from _replaced(form, place, slot, words[slot - 1])


def _replace_object(scene: Scene, form: tuple) -> Iterator[tuple]:
    shapes = SHAPES[: TIERS[scene.tier].shapes]
    if form[0] == "count":
        yield from (("count", form[1], shape) for shape in shapes if shape != form[2])
    if form[0] == "on":
        yield from (("on", stuff, form[2]) for stuff in GROUNDS if stuff != form[1])
    for place in range(len(_phrases(form))):
        yield from _replaced(form, place, _SHAPE, shapes)


def _replace_relation(scene: Scene, form: tuple) -> Iterator[tuple]:
    if form[0] == "relation" and form[1] in _OPPOSITE:
        yield ("relation", _OPPOSITE[form[1]], *form[2:])


def _replace_count(scene: Scene, form: tuple) -> Iterator[tuple]:
    if form[0] == "count":
        others = (form[1] + 1, form[1] - 1)
        yield from (("count", n, form[2]) for n in others if 0 < n < len(NUMBERS))


def _swap(slot: int) -> Callable[[Scene, tuple], Iterator[tuple]]:
    """Exchange what two noun phrases say in a slot."""

    def swapped(scene: Scene, form: tuple) -> Iterator[tuple]:
        phrases = _phrases(form)
        for one, two in itertools.combinations(range(len(phrases)), 2):
            words = phrases[one][slot], phrases[two][slot]
            if None not in words and words[0] != words[1]:
                other = list(phrases)
                for place, word in ((one, words[1]), (two, words[0])):
                    other[place] = (*phrases[place][:slot], word, *phrases[place][slot + 1 :])
                yield _with(form, other)

    return swapped


def _add_attribute(scene: Scene, form: tuple) -> Iterator[tuple]:
    for place, phrase in enumerate(_phrases(form)):
        if phrase[_COLOUR] is None:
            yield from _replaced(form, place, _COLOUR, COLOURS[: TIERS[scene.tier].colours])


def _add_object(scene: Scene, form: tuple) -> Iterator[tuple]:
    if form[0] == "exists":
        for shape in SHAPES[: TIERS[scene.tier].shapes]:
            yield (*form, (shape, None, None, None))


CHANGES: dict[str, Callable[[Scene, tuple], Iterator[tuple]]] = {
    "replace_obj": _replace_object,
    "replace_att": _replace_attribute,
    "replace_rel": _replace_relation,
    "replace_count": _replace_count,
    "swap_obj": _swap(_SHAPE),
    "swap_att": _swap(_COLOUR),
    "add_obj": _add_object,
    "add_att": _add_attribute,
}
"""From a scene and the logical form of a true caption to changed forms, some of them true, too."""
