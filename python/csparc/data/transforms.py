"""From a decoded picture to an encoder's input: resize, crop, augment, normalise.

Geometry follows open_clip and torchvision on 8-bit pixels; `resize` has the bits of Pillow's
antialiased filters. Two steps are kept apart: `fixed` depends on the picture alone, so that its
result can be cached; `augment` also on random draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from csparc import _core
from csparc._arrays import describe
from csparc._repr import line
from csparc._scalars import choice, whole_number
from csparc.data import framing
from csparc.data.images import to_rgb

if TYPE_CHECKING:
    from PIL import Image

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)

RESIZE_MODES = ("shortest", "longest", "squash")
INTERPOLATIONS = ("bicubic", "bilinear")

# Draws of one augmentation: ten trials of (area, aspect), place of the crop, shift.
_TRIALS = 10
_DRAWS = 2 * _TRIALS + 4


class Draws(Protocol):
    """A source of random numbers for one picture."""

    def uniform(self, n: int) -> np.ndarray:
        """``n`` numbers in [0, 1), float64 [n]."""


class Preprocess:
    """A picture to normalised planes; call it with a uint8 [H, W, 3] array or a Pillow picture.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the result.
    mean, std : three floats
        Subtracted from and divided into pixels in [0, 1]; OpenAI's CLIP constants by default, for
        generated scenes too.
    train : bool
        Augment: needs random draws in the call.
    resize_mode : {"shortest", "longest", "squash"}
        Without a random crop: the shortest side to `size`, then the centre; the longest side to
        `size`, then a border of `fill`; or both sides, whatever the proportions.
    interpolation : {"bicubic", "bilinear"}
    fill : int
        Value of the border, 0 to 255.
    scale : (float, float) or None
        Training only: the share of the area that a random crop keeps, resized to `size`. None: no
        random crop, the geometry of `train=False`.
    ratio : (float, float)
        Aspect ratios of the random crop.
    shift : int
        Training only: moves the result by up to so many pixels each way, edges repeated.

    Raises
    ------
    ValueError
        Names the argument.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        mean: tuple[float, ...] = OPENAI_MEAN,
        std: tuple[float, ...] = OPENAI_STD,
        train: bool = False,
        *,
        resize_mode: str = "shortest",
        interpolation: str = "bicubic",
        fill: int = 0,
        scale: tuple[float, float] | None = (0.9, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        shift: int = 0,
    ) -> None:
        self.height, self.width = (size, size) if isinstance(size, int) else size
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.train = train
        self.resize_mode = resize_mode
        self.interpolation = interpolation
        self.fill = fill
        self.scale = tuple(scale) if scale is not None else None
        self.ratio = tuple(ratio)
        self.shift = shift
        self._check()

    def _check(self) -> None:
        self.height = whole_number(self.height, "size", low=1)
        self.width = whole_number(self.width, "size", low=1)
        if len(self.mean) != 3 or not np.isfinite(self.mean).all():
            raise ValueError(f"mean: expected three finite values, found {self.mean}")
        if len(self.std) != 3 or not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"std: expected three finite values above 0, found {self.std}")
        choice(self.resize_mode, "resize_mode", RESIZE_MODES)
        choice(self.interpolation, "interpolation", INTERPOLATIONS)
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale: expected 0 < low <= high <= 1, found {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio: expected 0 < low <= high, found {self.ratio}")
        self.fill = whole_number(self.fill, "fill", low=0, high=255)
        self.shift = whole_number(self.shift, "shift", low=0)

    def __repr__(self) -> str:
        varied = {"train": True} if self.train else {}
        if self.interpolation != INTERPOLATIONS[0]:
            varied["interpolation"] = self.interpolation
        size = f"{self.width} x {self.height} px"
        return line(self, size, resize_mode=self.resize_mode, **varied)

    @property
    def random_crop(self) -> bool:
        """Whether training takes random crops."""
        return self.train and self.scale is not None

    def config(self) -> dict:
        """The arguments, as JSON can hold them: ``Preprocess(**config)`` makes the same."""
        return {
            "size": [self.height, self.width],
            "mean": list(self.mean),
            "std": list(self.std),
            "train": self.train,
            "resize_mode": self.resize_mode,
            "interpolation": self.interpolation,
            "fill": self.fill,
            "scale": list(self.scale) if self.scale is not None else None,
            "ratio": list(self.ratio),
            "shift": self.shift,
        }

    def __call__(self, picture: np.ndarray | Image.Image, rng: Draws | None = None) -> np.ndarray:
        """float32 [3, height, width]."""
        done = self.augment(self.fixed(picture), rng)
        return self.normalize(done[None])[0]

    def fixed(self, picture: np.ndarray | Image.Image) -> np.ndarray:
        """The steps without draws, uint8: resized and cropped, or whole before a random crop."""
        array = _as_array(picture)
        if self.random_crop or array.shape[:2] == (self.height, self.width):
            return array
        return self._resize(array)

    def fixed_config(self) -> dict:
        """What decides the result of `fixed`, beside the picture, as JSON can hold it."""
        if self.random_crop:
            return {}
        names = ("size", "resize_mode", "interpolation", "fill")
        return {name: value for name, value in self.config().items() if name in names}

    def augment(self, picture: np.ndarray, rng: Draws | None = None) -> np.ndarray:
        """The random steps, uint8 [height, width, 3]; without training there are none."""
        if not self.random_crop and not (self.train and self.shift):
            return picture
        if rng is None:
            raise ValueError("rng: expected a source of random draws for a training transform")
        draws = rng.uniform(_DRAWS)
        if self.random_crop:
            crop = self._random_crop(picture.shape[0], picture.shape[1], draws)
            picture = resize(picture, (self.height, self.width), self.interpolation, crop)
        if self.shift:
            picture = self._shifted(picture, draws[-2:])
        return picture

    def normalize(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 [B, H, W, 3] to float32 [B, 3, H, W] (csparc/data/normalize.h)."""
        pictures = np.ascontiguousarray(pictures)
        count, height, width, _ = pictures.shape
        out = np.empty((count, 3, height, width), np.float32)
        _core.normalize(pictures, np.float32(self.mean), np.float32(self.std), out)
        return out

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """What of a picture of this size evaluation shows: top, left, height and width in its
        pixels; what reaches beyond the picture is border."""
        return framing.window(self.resize_mode, (self.height, self.width), height, width)

    def _resize(self, picture: np.ndarray) -> np.ndarray:
        target = (self.height, self.width)
        if self.resize_mode == "squash":
            return resize(picture, target, self.interpolation)
        if self.resize_mode == "longest":
            size = framing.within(target, *picture.shape[:2])
        else:
            height, width, _ = picture.shape
            ratio = framing.LONGEST_RATIO
            picture = framing.middle(picture, ratio * width, ratio * height)
            size = framing.covering(target, *picture.shape[:2])
        return self._centre(resize(picture, size, self.interpolation))

    def _centre(self, picture: np.ndarray) -> np.ndarray:
        """The middle of a picture, with a border where it is too small."""
        height, width, _ = picture.shape
        if height < self.height or width < self.width:
            size = (max(height, self.height), max(width, self.width), 3)
            wider = np.full(size, self.fill, np.uint8)
            top, left = (size[0] - height) // 2, (size[1] - width) // 2
            wider[top : top + height, left : left + width] = picture
            picture = wider
        return np.ascontiguousarray(framing.middle(picture, self.height, self.width))

    def _random_crop(self, height: int, width: int, draws: np.ndarray) -> tuple[int, int, int, int]:
        """As torchvision's RandomResizedCrop: left, top, width, height."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        *trials, across_draw, down_draw = draws[: 2 * _TRIALS + 2].tolist()
        for area_draw, aspect_draw in zip(trials[::2], trials[1::2]):
            share = self.scale[0] + (self.scale[1] - self.scale[0]) * area_draw
            aspect = math.exp(low + (high - low) * aspect_draw)
            across = round(math.sqrt(width * height * share * aspect))
            down = round(math.sqrt(width * height * share / aspect))
            if 0 < across <= width and 0 < down <= height:
                left = int(across_draw * (width - across + 1))
                top = int(down_draw * (height - down + 1))
                return left, top, across, down
        across, down = width, height
        if width / height < self.ratio[0]:
            down = min(height, max(1, round(width / self.ratio[0])))
        elif width / height > self.ratio[1]:
            across = min(width, max(1, round(height * self.ratio[1])))
        return (width - across) // 2, (height - down) // 2, across, down

    def _shifted(self, picture: np.ndarray, draws: np.ndarray) -> np.ndarray:
        down, right = (int(draw * (2 * self.shift + 1)) - self.shift for draw in draws)
        rows = np.clip(np.arange(self.height) - down, 0, self.height - 1)
        columns = np.clip(np.arange(self.width) - right, 0, self.width - 1)
        return picture[rows[:, None], columns]


def resize(
    picture: np.ndarray,
    size: tuple[int, int],
    interpolation: str = "bicubic",
    crop: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resample a picture, antialiased when it shrinks (csparc/data/resize.h).

    Parameters
    ----------
    picture : uint8 [H, W, 3]
    size : (int, int)
        Height and width of the result.
    interpolation : {"bicubic", "bilinear"}
    crop : (left, top, width, height), optional
        The part to take, as if it were the whole picture.

    Returns
    -------
    uint8 [height, width, 3]
        The bits of Pillow's resize up to version 12; later ones may run rows before columns.
    """
    picture = np.ascontiguousarray(picture)
    crop = crop or (0, 0, picture.shape[1], picture.shape[0])
    out = np.empty((*size, 3), np.uint8)
    _core.resize(picture, *crop, int(interpolation == "bilinear"), out)
    return out


def preprocess(
    size: int | tuple[int, int],
    mean: tuple[float, ...] = OPENAI_MEAN,
    std: tuple[float, ...] = OPENAI_STD,
    train: bool = False,
    **options: object,
) -> Preprocess:
    """The transform of the given size; the options are those of `Preprocess`."""
    return Preprocess(size, mean, std, train, **options)


def _as_array(picture: np.ndarray | Image.Image) -> np.ndarray:
    expected = "picture: expected uint8 [H, W, 3] or a Pillow picture"
    if not isinstance(picture, np.ndarray):
        if not hasattr(picture, "mode"):
            raise TypeError(f"{expected}, found {describe(picture)}")
        return np.asarray(to_rgb(picture))
    fits = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    if not fits or picture.size == 0:
        raise ValueError(f"{expected}, found {picture.dtype} {list(picture.shape)}")
    return picture
