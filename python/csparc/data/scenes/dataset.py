"""Generated scenes as a data set: ``scenes:tier=M;size=20000;seed=0;split=train``."""

from __future__ import annotations

import hashlib

import numpy as np

from csparc._scalars import choice, whole_number
from csparc.data.dataset import Dataset
from csparc.data.regions import Mention, Region, Regions
from csparc.data.report import BadItems
from csparc.data.scenes import grammar
from csparc.data.scenes.forms import named
from csparc.data.scenes.scene import (
    COLOURS,
    GROUNDS,
    SHAPES,
    SPLITS,
    TIERS,
    Scene,
    SceneObject,
    draw,
    render,
)
from csparc.errors import DataError

OPTIONS = {"tier": str, "size": int, "seed": int, "split": str}


class Scenes(Dataset):
    """Pictures of coloured shapes with five true captions each, made when they are asked for.

    Parameters
    ----------
    tier : str
        ``"S"``: 32 px, 1 or 2 plain objects of 4 shapes and 4 colours, for tests. ``"M"``: 64 px, 1
        to 3 objects of 8 shapes, 8 colours, 2 sizes, plain or striped, slightly turned. ``"L"``:
        128 px, 1 to 6 objects anywhere, of 12 shapes, 10 colours, 3 sizes, 4 textures, up to 30 %
        of each covered by others, in front of two of 6 kinds of ground, in varying light, noisy.
    size : int
        Number of scenes. Scene i is the same whatever the size.
    seed : int
        Any 64-bit number; another seed gives other scenes.
    split : str
        ``train``, ``val``, ``test``: without the held-out pairs of colour and shape.
        ``zs_seen``, ``zs_unseen``: single objects, of the pairs seen in training and of the others.
        ``seg_test``: at least two different shapes. No scene of one split occurs in another.

    Scene i depends on (tier, split, seed, i) alone, bit for bit, on every machine. Cost on one
    core, tier M: 15 microseconds a picture, 50 for the first call of its ``captions``.
    """

    cacheable = False  # drawing a scene again costs little more than finding it

    def __init__(
        self, tier: str = "M", size: int = 20000, seed: int = 0, split: str = "train"
    ) -> None:
        try:
            choice(tier, "scenes: tier", tuple(TIERS))
            choice(split, "scenes: split", tuple(SPLITS))
            whole_number(size, "scenes: size", low=1, high=(1 << 40) - 1)
            whole_number(seed, "scenes: seed", low=-(1 << 63), high=(1 << 64) - 1)
        except (TypeError, ValueError) as error:
            raise DataError(str(error)) from None
        self.tier, self.size, self.seed, self.split = tier, size, seed, split
        self.problems = BadItems()
        self.max_captions: int | None = None
        self._texts: dict[int, list[str]] = {}

    @classmethod
    def from_spec(cls, text: str, max_captions: int | None = None) -> Scenes:
        """The data set of ``KEY=VALUE;KEY=VALUE``; options not named take their defaults. With
        ``max_captions`` each scene has the first so many of its five captions."""
        options = {}
        for setting in filter(None, text.split(";")):
            key, _, value = setting.partition("=")
            if key not in OPTIONS or "," in value:
                raise DataError(
                    f"scenes: expected the options {', '.join(OPTIONS)} as KEY=VALUE;KEY=VALUE, "
                    f"found {setting!r}"
                )
            if key in options:
                raise DataError(f"scenes: {key} is given twice")
            try:
                options[key] = OPTIONS[key](value)
            except ValueError:
                raise DataError(
                    f"scenes: {key}: expected a whole number, found {value!r}"
                ) from None
        found = cls(**options)
        found.max_captions = max_captions
        return found

    @property
    def spec(self) -> str:
        """What ``csparc.data.open`` turns into this data set."""
        return f"scenes:tier={self.tier};size={self.size};seed={self.seed};split={self.split}"

    def __len__(self) -> int:
        return self.size

    def _check(self, index: int) -> int:
        if not 0 <= index < self.size:
            raise IndexError(f"scene {index} of {self.size}")
        return int(index)

    def scene(self, index: int) -> Scene:
        """Scene ``index`` with objects, pixels, masks and boxes."""
        record, ground = draw(self.tier, self.split, self.seed, [self._check(index)])
        return Scene(self.tier, record[0], ground[0])

    def labelled_captions(self, index: int) -> list[grammar.Caption]:
        """The five captions with tokens, parts of speech, phrases and logical forms."""
        stream = SPLITS[self.split].stream
        found = grammar.captions(self.scene(index), self.seed, stream, int(index))
        self._texts.setdefault(int(index), [caption.text for caption in found])
        return found

    def captions(self, index: int) -> list[str]:
        """The captions as text; kept once made (about half a kilobyte a scene)."""
        index = self._check(index)
        if index not in self._texts:
            self.labelled_captions(index)
        return self._texts[index][: self.max_captions]

    @property
    def generated(self) -> bool:
        """True: there are as many scenes as anybody asks for."""
        return True

    def said_words(self, index: int) -> frozenset[str]:
        """What the captions name: shapes, colours, sizes, textures of objects, and grounds."""
        captions = self.labelled_captions(index)[: self.max_captions]
        return frozenset(word for caption in captions for word in named(caption.form))

    def shown_words(self, index: int) -> frozenset[str]:
        """The shapes, colours, sizes and textures of the objects, and the grounds, named or not."""
        scene = self.scene(index)
        words = {word for o in scene.objects for word in (o.shape, o.colour, o.size, o.texture)}
        words |= set(scene.bands or ())
        return frozenset(word for word in words if word is not None)

    @property
    def has_regions(self) -> bool:
        """True: every object and every word for it is known."""
        return True

    def regions(self, index: int) -> Regions:
        """The objects, in painting order, and the nouns and adjectives that name one of them.

        Of the adjectives the colours are a group once more by themselves. A phrase that names
        several objects belongs to no group.
        """
        scene = self.scene(index)
        captions = self.labelled_captions(index)[: self.max_captions]
        parts = tuple(
            Region(found.shape, tuple(map(float, found.box)), mask, _attributes(found))
            for found, mask in zip(scene.objects, scene.masks)
        )
        mentions = [
            mention for number, caption in enumerate(captions)
            for mention in _mentions(number, caption)
        ]  # fmt: skip
        return Regions(scene.instance.shape, parts, tuple(mentions), exclusive=True)

    def label_names(self, by: str = "") -> tuple[str, ...]:
        """The shapes of the tier; with ``by="colour"`` its colours, with ``by="stuff"`` the shapes
        and the kinds of ground."""
        tier = TIERS[self.tier]
        if by == "colour":
            return COLOURS[: tier.colours]
        if by not in ("", "shape", "stuff"):
            raise DataError(f"scenes: expected labels by shape, colour or stuff, found {by!r}")
        return (*SHAPES[: tier.shapes], *GROUNDS[: tier.stuff * (by == "stuff")])

    def label_map(self, index: int, by: str = "") -> np.ndarray:
        """int16 [H, W]: the shape or colour of the object that is seen; the ground is 0, or with
        ``by="stuff"`` what it is made of, where it is made of something."""
        scene, names = self.scene(index), self.label_names(by)
        seen = [o.colour if by == "colour" else o.shape for o in scene.objects]
        numbers = np.array([0, *(names.index(name) + 1 for name in seen)], np.int16)
        labels = numbers[scene.instance]
        if by == "stuff" and scene.bands is not None:
            above, below = (names.index(name) + 1 for name in scene.bands)
            lower = np.arange(len(labels)) >= scene.horizon
            bands = np.where(lower, below, above)[:, None].astype(np.int16)
            labels = np.where(scene.instance == 0, bands, labels)
        return labels

    def load(self, index: int) -> np.ndarray:
        """The picture, uint8 [H, W, 3] RGB."""
        return self.load_batch([index])[0]

    def load_batch(self, indices: list[int] | np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3], drawn and painted in parallel."""
        record, ground = draw(
            self.tier, self.split, self.seed, [self._check(index) for index in indices]
        )
        return render(self.tier, record, ground)[0]

    def fingerprint(self) -> str:
        """Of the specification, which decides every scene: making all their captions takes long."""
        return hashlib.blake2b(self.spec.encode(), digest_size=16).hexdigest()

    def name(self, index: int) -> str:
        """What messages call this scene."""
        return f"{self.split}/{self._check(index)}"


def _attributes(found: SceneObject) -> tuple[tuple[str, str], ...]:
    """Those that an object of its tier has."""
    keys = ("colour", "size", "texture")
    return tuple((key, getattr(found, key)) for key in keys if getattr(found, key) is not None)


def _mentions(number: int, caption: grammar.Caption) -> list[Mention]:
    """What a caption says of which objects."""
    spans, found = caption.offsets, []
    for phrase in caption.phrases:
        if len(phrase.objects) != 1:
            whole = spans[phrase.start][0], spans[phrase.stop - 1][1]
            found.append(Mention(number, *whole, (), phrase.objects))
            continue
        for place in range(phrase.start, phrase.stop):
            pos, word = caption.pos[place], caption.tokens[place]
            if pos in ("NOUN", "ADJ"):
                groups = (pos, "COLOUR") if word in COLOURS else (pos,)
                found.append(Mention(number, *spans[place], groups, phrase.objects))
    return found
