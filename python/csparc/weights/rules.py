"""How an array of a model here and the same numbers in another layout's file correspond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Rule:
    """One kind of correspondence between the arrays of an `Entry`.

    ``shapes`` gives the shapes in the file of so many arrays, from those here; ``to_theirs`` and
    ``to_ours`` convert, ``to_ours`` given the shapes here.
    """

    shapes: Callable[[Sequence[Shape], int], list[Shape]]
    to_theirs: Callable[[Sequence[np.ndarray], int], list[np.ndarray]]
    to_ours: Callable[[Sequence[np.ndarray], Sequence[Shape]], list[np.ndarray]]

    __repr__ = fields_line


def _one(shape: Callable[[Shape], Shape], there: Callable, back: Callable) -> Rule:
    """A rule of one array on either side."""
    return Rule(
        lambda shapes, _: [shape(shapes[0])],
        lambda arrays, _: [there(arrays[0])],
        lambda arrays, shapes: [back(arrays[0]).reshape(shapes[0])],
    )


def _stacked_shapes(shapes: Sequence[Shape], count: int) -> list[Shape]:
    rows = sum(shape[0] for shape in shapes)
    return [(rows // count, *shapes[0][1:])] * count


RULES = {
    "same": _one(lambda shape: shape, lambda x: x, lambda x: x),
    "transposed": _one(lambda shape: shape[::-1], np.transpose, np.transpose),
    # [1, C] here, [C] there; and [1] here, a number there.
    "row": _one(lambda shape: shape[1:], lambda x: x[0], lambda x: x),
    # [..., C] here, [1, ..., C] there.
    "plane": _one(lambda shape: (1, *shape), lambda x: x[None], lambda x: x),
    # [P + 1, C] with the class token's row last here, first there.
    "class_first": _one(
        lambda shape: shape, lambda x: np.roll(x, 1, axis=0), lambda x: np.roll(x, -1, axis=0)
    ),
    # The rows of all arrays here, one below the other, are those of all arrays there.
    "stacked": Rule(
        _stacked_shapes,
        lambda arrays, count: np.split(np.concatenate(arrays), count),
        lambda arrays, shapes: np.split(
            np.concatenate(arrays), np.cumsum([shape[0] for shape in shapes])[:-1]
        ),
    ),
}
"""By name."""


@dataclass(frozen=True)
class Entry:
    """Parameters of a model here (``ours``), tensors of a file (``theirs``), and the rule. ``{i}``
    in the names stands for the number of a block."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    rule: str = "same"

    __repr__ = fields_line

    def block(self, number: int) -> Entry:
        """The entry of one block."""
        names = (tuple(n.replace("{i}", str(number)) for n in side) for side in self._sides)
        return Entry(*names, self.rule)

    @property
    def _sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.ours, self.theirs


def entry(ours: str, theirs: str, rule: str = "same") -> list[Entry]:
    """One entry; names on a side are separated by blanks."""
    return [Entry(tuple(ours.split()), tuple(theirs.split()), rule)]


def affine(ours: str, theirs: str, rule: str = "same") -> list[Entry]:
    """The entries of a weight and of a bias, whose names end so on both sides."""
    return [
        made
        for end in (".weight", ".bias")
        for made in entry(
            *(" ".join(name + end for name in side.split()) for side in (ours, theirs)), rule
        )
    ]
