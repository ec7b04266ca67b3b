"""What scenes are made of: the vocabulary, tiers, splits, and one scene with its labels.

The C core (csparc/data/scene.h) draws and paints; every word, colour value and rule it works with
is passed to it from the tables here.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from csparc import _core, _random
from csparc._arrays import packed
from csparc._repr import fields_line

# In the order of cs_scene_shape.
SHAPES = (
    *("circle", "square", "triangle", "cross", "star", "ring", "heart", "bar"),
    *("diamond", "hexagon", "crescent", "arrow"),
)
PALETTE = {
    "red": (220, 30, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 235),
    "yellow": (245, 230, 60),
    "purple": (150, 50, 190),
    "orange": (250, 135, 15),
    "cyan": (50, 210, 220),
    "white": (245, 245, 245),
    "pink": (255, 145, 190),
    "brown": (125, 75, 35),
}
COLOURS = tuple(PALETTE)
SIZES = ("small", "large")
THREE_SIZES = ("small", "medium", "large")
TEXTURES = ("plain", "striped", "dotted", "checked")
# In the order of cs_scene_stuff: what the ground of a picture may be made of.
STUFF = {
    "sky": (140, 185, 225),
    "grass": (95, 135, 70),
    "sand": (200, 180, 135),
    "water": (70, 110, 140),
    "brick": (150, 95, 80),
    "snow": (205, 212, 222),
}
GROUNDS = tuple(STUFF)

_PALETTE_ARRAY = np.array(list(PALETTE.values()), dtype=np.uint8)
_STUFF_ARRAY = np.array(list(STUFF.values()), dtype=np.uint8)
# The columns of a ground's record, as in cs_scene_ground.
_GROUND = ("level", "above", "below", "horizon", "light", "noise", "grain")
# The columns of an object's record, as in cs_scene_object.
_COLUMNS = (
    *("shape", "colour", "size", "texture", "x", "y", "radius", "angle", "gain"),
    *("area", "x0", "y0", "x1", "y1"),
)


@dataclasses.dataclass(frozen=True)
class Tier:
    """How hard the pictures are.

    ``colours`` and ``shapes`` count from the start of the vocabulary; a tier with one size or one
    texture never names it. ``held_out`` of the pairs (colour i, shape (``stride`` i + 1) mod
    ``shapes``) never occur in training. Lengths in pixels, ``turn`` in radians; ``hidden``
    is the most of an object that others may cover, in 1/256. With ``stuff`` kinds of ground a
    picture has two bands of them instead of a grey; ``light`` (1/256) and ``noise`` (levels) are
    the most that its brightness and its pixels differ from what they would be.
    """

    side: int
    grid: int
    max_objects: int
    shapes: int
    colours: int
    held_out: int
    radius: tuple[tuple[float, float], ...]
    textures: int = 1
    jitter: float = 2.5
    turn: float = 0.0
    stride: int = 3
    hidden: int = 128
    stuff: int = 0
    light: int = 0
    noise: int = 0

    __repr__ = fields_line

    @property
    def size_names(self) -> tuple[str, ...]:
        """Of the sizes, the smallest first."""
        return THREE_SIZES if len(self.radius) == 3 else SIZES[: len(self.radius)]

    @property
    def unseen_pairs(self) -> tuple[tuple[int, int], ...]:
        """(colour, shape) numbers kept out of training."""
        return tuple((i, (self.stride * i + 1) % self.shapes) for i in range(self.held_out))

    @property
    def seen_pairs(self) -> tuple[tuple[int, int], ...]:
        """(colour, shape) numbers that occur in training."""
        every = ((c, s) for c in range(self.colours) for s in range(self.shapes))
        return tuple(pair for pair in every if pair not in self.unseen_pairs)


TIERS = {
    "S": Tier(side=32, grid=2, max_objects=2, shapes=4, colours=4, held_out=2,
              radius=((4.5, 6.0),), jitter=3.0),
    "M": Tier(side=64, grid=4, max_objects=3, shapes=8, colours=8, held_out=8,
              radius=((6.0, 7.0), (8.5, 10.0)), textures=2, turn=0.3),
    "L": Tier(side=128, grid=8, max_objects=6, shapes=12, colours=10, held_out=10,
              radius=((8.0, 10.0), (12.0, 15.0), (18.0, 22.0)), textures=4, jitter=8.0,
              turn=0.3, stride=5, hidden=77, stuff=6, light=38, noise=6),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Split:
    """One stream of scenes. Streams whose ``classes`` do not overlap never share a scene (the same
    objects at the same places, rounded to 1/16 of the side), whatever their sizes and seeds; nor
    does the ``unseen`` one, whose pairs of colour and shape no other has."""

    stream: int
    classes: tuple[int, int]
    max_objects: int | None = None
    min_shapes: int = 1
    unseen: bool = False

    __repr__ = fields_line


SPLITS = {
    "train": Split(stream=0, classes=(0, 12)),
    "val": Split(stream=1, classes=(12, 13)),
    "test": Split(stream=2, classes=(13, 14)),
    "zs_seen": Split(stream=3, classes=(14, 15), max_objects=1),
    "zs_unseen": Split(stream=4, classes=(0, 16), max_objects=1, unseen=True),
    "seg_test": Split(stream=5, classes=(15, 16), min_shapes=2),
}


@dataclasses.dataclass(frozen=True)
class SceneObject:
    """One object; ``number`` is its place in the painting order and, plus one, its instance id.

    x, y, radius: fractions of the picture's side, the centre from the left and from the top.
    angle: radians. area and box (x0, y0, x1, y1; the last two excluded): of the visible pixels.
    """

    number: int
    shape: str
    colour: str
    size: str | None
    texture: str | None
    x: float
    y: float
    radius: float
    angle: float
    area: int
    box: tuple[int, int, int, int]

    __repr__ = fields_line


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A scene: ``record`` int32 [K, 14] and ``ground`` int32 [7] as the C core drew them."""

    tier: str
    record: np.ndarray
    ground: np.ndarray

    __repr__ = fields_line

    @functools.cached_property
    def objects(self) -> tuple[SceneObject, ...]:
        """The objects in painting order, the lowest first."""
        tier = TIERS[self.tier]
        return tuple(
            _object(tier, number, dict(zip(_COLUMNS, row)))
            for number, row in enumerate(self.record.tolist())
            if row[0] >= 0
        )

    @functools.cached_property
    def _ground(self) -> dict[str, int]:
        return dict(zip(_GROUND, self.ground.tolist()))

    @functools.cached_property
    def bands(self) -> tuple[str, str] | None:
        """What the ground is made of above and below `horizon`; None where it is a plain grey."""
        ground = self._ground
        if ground["above"] < 0:
            return None
        return GROUNDS[ground["above"]], GROUNDS[ground["below"]]

    @property
    def horizon(self) -> int:
        """The first row of the lower band."""
        return self._ground["horizon"]

    def stands_on(self, item: SceneObject) -> str | None:
        """The stuff behind the centre of an object; None on a plain ground."""
        if self.bands is None:
            return None
        return self.bands[item.y * TIERS[self.tier].side >= self.horizon]

    @functools.cached_property
    def _painted(self) -> tuple[np.ndarray, np.ndarray]:
        pixels, instance = render(self.tier, self.record[None], self.ground[None])
        return pixels[0], instance[0]

    @property
    def pixels(self) -> np.ndarray:
        """The picture, uint8 [H, W, 3] RGB."""
        return self._painted[0]

    @property
    def instance(self) -> np.ndarray:
        """uint8 [H, W]: 0 on the ground, number + 1 where that object is seen."""
        return self._painted[1]

    @property
    def masks(self) -> np.ndarray:
        """bool [objects, H, W]: where each object is seen."""
        ids = np.arange(1, len(self.objects) + 1, dtype=np.uint8)
        return self.instance == ids[:, None, None]

    @property
    def boxes(self) -> np.ndarray:
        """int64 [objects, 4]: x0, y0, x1, y1 of the visible pixels, the last two excluded."""
        return np.array([item.box for item in self.objects], dtype=np.int64).reshape(-1, 4)


def _object(tier: Tier, number: int, row: dict[str, int]) -> SceneObject:
    extent = 64.0 * tier.side
    return SceneObject(
        number=number,
        shape=SHAPES[row["shape"]],
        colour=COLOURS[row["colour"]],
        size=tier.size_names[row["size"]] if len(tier.radius) > 1 else None,
        texture=TEXTURES[row["texture"]] if tier.textures > 1 else None,
        x=row["x"] / extent,
        y=row["y"] / extent,
        radius=row["radius"] / extent,
        angle=row["angle"] / 65536.0,
        area=row["area"],
        box=(row["x0"], row["y0"], row["x1"], row["y1"]),
    )


@functools.cache
def _rules(tier: Tier, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The int32 array cs_scene_rules and the uint8 [M, 2] pairs of a stream."""
    low, high = zip(*(tier.radius * 3)[:3])
    most = min(tier.max_objects, split.max_objects or tier.max_objects)
    least = max(1, split.min_shapes)
    lengths = [round(64 * value) for value in (*low, *high)]
    rules = [tier.side, tier.grid, round(64 * tier.jitter), round(65536 * tier.turn),
             len(tier.radius), tier.textures, *lengths, least, most, split.min_shapes,
             *split.classes, tier.hidden, tier.stuff, tier.light, tier.noise]  # fmt: skip
    pairs = tier.unseen_pairs if split.unseen else tier.seen_pairs
    return np.array(rules, dtype=np.int32), np.array(pairs, dtype=np.uint8)


def draw(tier: str, split: str, seed: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Records int32 [N, K, 14] and grounds int32 [N, 7] of scenes ``indices`` of a stream."""
    rules, pairs = _rules(TIERS[tier], SPLITS[split])
    index = packed(indices, np.int64)
    record = np.empty((len(index), TIERS[tier].max_objects, len(_COLUMNS)), dtype=np.int32)
    ground = np.empty((len(index), len(_GROUND)), dtype=np.int32)
    key, stream = _random.signed(seed), SPLITS[split].stream
    _core.scene_draw(key, stream, index, rules, pairs, record, ground)
    return record, ground


def render(tier: str, record: np.ndarray, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [N, H, W, 3] and instance ids uint8 [N, H, W] of N records, in parallel."""
    side, count = TIERS[tier].side, len(record)
    pixels = np.empty((count, side, side, 3), dtype=np.uint8)
    instance = np.empty((count, side, side), dtype=np.uint8)
    grounds = packed(ground, np.int32)
    _core.scene_render(_PALETTE_ARRAY, _STUFF_ARRAY, record, grounds, pixels, instance)
    return pixels, instance
