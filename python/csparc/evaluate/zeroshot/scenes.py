"""Generated scenes as a data set of classes: single objects, named by colour and shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from csparc.data.scenes import Scenes
from csparc.data.scenes.scene import COLOURS, SHAPES, TIERS
from csparc.evaluate.figure import Figure, share

PARTS = {"seen": "zs_seen", "unseen": "zs_unseen"}
"""What the figures of each split of single objects are called."""


def parts_of(scenes: Scenes) -> dict[str, Scenes]:
    """The scenes to classify: those given, where they are of single objects; else as many of the
    same tier and seed of the pairs of colour and shape that training has, and of those it lacks."""
    own = {part: scenes for part, split in PARTS.items() if split == scenes.split}
    return own or {
        part: Scenes(scenes.tier, scenes.size, scenes.seed, split) for part, split in PARTS.items()
    }


def pairs_of(tier: str) -> list[tuple[str, str]]:
    """(colour, shape) of every class of a tier."""
    rules = TIERS[tier]
    return [(c, s) for c in COLOURS[: rules.colours] for s in SHAPES[: rules.shapes]]


def pair_labels(scenes: Scenes, items: Sequence[int] | np.ndarray) -> np.ndarray:
    """The class of each scene's one object, a number of `pairs_of`."""
    numbers = {pair: number for number, pair in enumerate(pairs_of(scenes.tier))}
    objects = [scenes.scene(int(item)).objects[0] for item in items]
    return np.array([numbers[one.colour, one.shape] for one in objects], dtype=np.int64)


def parts_right(tier: str, labels: np.ndarray, guesses: np.ndarray) -> dict[str, Figure]:
    """``colour`` and ``shape``: the share of guesses that name the right one of the two, whatever
    they say of the other. Who knows colours alone finds one pair in as many as there are shapes."""
    rules = TIERS[tier]
    both = [np.divmod(np.asarray(x), rules.shapes) for x in (labels, guesses)]
    (colours, shapes), (guessed_colours, guessed_shapes) = both
    return {
        "colour": share(colours == guessed_colours, 100 / rules.colours),
        "shape": share(shapes == guessed_shapes, 100 / rules.shapes),
    }
