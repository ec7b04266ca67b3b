"""Cropping, augmenting and normalising have the bits of their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import pixels
from PIL import Image

from csparc import _core
from csparc.data import transforms
from csparc.data.transforms import Preprocess, preprocess

BICUBIC = Image.Resampling.BICUBIC


class Fixed:
    """Draws that are given."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def uniform(self, n: int) -> np.ndarray:
        return np.array([*self.values, *[0.5] * n][:n])


def normalised(picture: np.ndarray, mean: tuple, std: tuple) -> np.ndarray:
    """ToTensor and Normalize, elementwise in float32."""
    planes = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    return (planes - np.float32(mean)[:, None, None]) / np.float32(std)[:, None, None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize_has_the_bits_of_the_elementwise_program(
    rng: np.random.Generator, dtype: type
) -> None:
    x = rng.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    x[0, 0, :2] = [[0, 0, 0], [255, 255, 255]]
    mean, std = np.array(transforms.OPENAI_MEAN, dtype), np.array(transforms.OPENAI_STD, dtype)
    y = np.empty((3, 3, 5, 7), dtype)
    _core.normalize(x, mean, std, y)
    planes = x.transpose(0, 3, 1, 2).astype(dtype) / dtype(255)
    expected = (planes - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("height", "width"), [(12, 16), (16, 12), (33, 90), (8, 8), (200, 31)])
def test_default_is_shortest_side_bicubic_and_centre_crop(height: int, width: int) -> None:
    picture = pixels(3, height, width)
    # torchvision: the long side is int(size * long / short), the crop begins at a rounded half.
    short = min(height, width)
    size = (int(8 * width / short), int(8 * height / short))
    resized = Image.fromarray(picture).resize(size, BICUBIC)
    left, top = round((size[0] - 8) / 2), round((size[1] - 8) / 2)
    expected = np.asarray(resized.crop((left, top, left + 8, top + 8)))
    found = preprocess(8)(picture)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found, normalised(expected, transforms.OPENAI_MEAN, transforms.OPENAI_STD)
    )


def test_pillow_pictures_are_taken_too() -> None:
    picture = pixels(1)
    transform = preprocess(8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    np.testing.assert_array_equal(transform(Image.fromarray(picture)), transform(picture))
    grey = Image.fromarray(picture[..., 0])
    assert transform(grey).shape == (3, 8, 8)


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    picture = pixels(1, 8, 8)
    assert preprocess(8).fixed(picture) is picture


def test_squash() -> None:
    picture = pixels(2, 30, 17)
    expected = np.asarray(Image.fromarray(picture).resize((8, 6), Image.Resampling.BILINEAR))
    found = Preprocess((6, 8), resize_mode="squash", interpolation="bilinear").fixed(picture)
    np.testing.assert_array_equal(found, expected)


def test_longest_has_a_border() -> None:
    picture = pixels(2, 10, 40)
    found = Preprocess(8, resize_mode="longest", fill=7).fixed(picture)
    inner = np.asarray(Image.fromarray(picture).resize((8, 2), BICUBIC))
    np.testing.assert_array_equal(found[3:5], inner)
    assert (found[:3] == 7).all()
    assert (found[5:] == 7).all()


def test_shortest_of_an_oblong_result() -> None:
    picture = pixels(2, 20, 20)
    found = Preprocess((4, 8)).fixed(picture)
    resized = np.asarray(Image.fromarray(picture).resize((8, 8), BICUBIC))
    np.testing.assert_array_equal(found, resized[2:6])


@pytest.mark.parametrize("turned", [False, True])
def test_a_very_long_picture_is_not_resized_whole(turned: bool) -> None:
    picture = pixels(2, 16, 16 * 40)
    picture = picture.transpose(1, 0, 2).copy() if turned else picture
    found = preprocess(8).fixed(picture)
    size = (8, 8 * 40) if turned else (8 * 40, 8)
    whole = np.asarray(Image.fromarray(picture).resize(size, BICUBIC))
    expected = whole[156:164] if turned else whole[:, 156:164]
    np.testing.assert_array_equal(found, expected)
    thread = np.zeros((1, 300_000, 3), np.uint8)
    assert preprocess(64).fixed(thread).shape == (64, 64, 3)


def test_random_resized_crop_by_its_definition() -> None:
    picture = pixels(5, 60, 80)
    transform = preprocess(16, train=True)
    # One trial: share .9 + .1 * .25, aspect at the middle of the logarithms, which is 1.
    draws = Fixed(0.25, 0.5, *[0.5] * 18, 0.75, 0.5)
    side = round(math.sqrt(60 * 80 * 0.925))
    assert side > 60, "too wide for the picture: the first trial must fail, then all others"
    middle = Image.fromarray(picture).crop((0, 0, 80, 60))
    found = transform.augment(transform.fixed(picture), draws)
    np.testing.assert_array_equal(found, np.asarray(middle.resize((16, 16), BICUBIC)))

    picture = pixels(5, 60, 60)
    side = round(math.sqrt(60 * 60 * 0.925))
    left, top = int(0.75 * (60 - side + 1)), int(0.5 * (60 - side + 1))
    crop = Image.fromarray(picture).crop((left, top, left + side, top + side))
    found = transform.augment(transform.fixed(picture), draws)
    np.testing.assert_array_equal(found, np.asarray(crop.resize((16, 16), BICUBIC)))


@pytest.mark.parametrize(("height", "width"), [(100, 10), (10, 100), (1, 1)])
def test_random_crop_of_a_narrow_picture_keeps_the_middle(height: int, width: int) -> None:
    transform = preprocess(8, train=True)
    across = min(width, max(1, round(height * 4 / 3)))
    down = min(height, max(1, round(width / 0.75)))
    left, top = (width - across) // 2, (height - down) // 2
    picture = pixels(1, height, width)
    crop = Image.fromarray(picture).crop((left, top, left + across, top + down))
    found = transform.augment(transform.fixed(picture), Fixed())
    np.testing.assert_array_equal(found, np.asarray(crop.resize((8, 8), BICUBIC)))


def test_crops_stay_within_their_bounds(rng: np.random.Generator) -> None:
    transform = preprocess(8, train=True, scale=(0.2, 0.5))
    for _ in range(200):
        left, top, width, height = transform._random_crop(50, 70, rng.uniform(size=24))
        assert 0 <= left < left + width <= 70
        assert 0 <= top < top + height <= 50
        area, aspect = width * height / (70 * 50), width / height
        assert 0.19 < area < 0.52
        assert 0.73 < aspect < 1.37


@pytest.mark.parametrize(("draw", "moved"), [(0.0, -2), (0.5, 0), (0.999, 2)])
def test_shift_repeats_the_edge(draw: float, moved: int) -> None:
    picture = pixels(1, 8, 8)
    transform = preprocess(8, train=True, scale=None, shift=2)
    found = transform.augment(transform.fixed(picture), Fixed(*[0.5] * 22, 0.5, draw))
    columns = np.clip(np.arange(8) - moved, 0, 7)
    np.testing.assert_array_equal(found, picture[:, columns])


def test_training_needs_draws_and_evaluation_none() -> None:
    picture = pixels(1, 8, 8)
    with pytest.raises(ValueError, match="rng"):
        preprocess(8, train=True)(picture)
    plain = preprocess(8, train=True, scale=None)
    np.testing.assert_array_equal(plain(picture), preprocess(8)(picture))


def test_config_makes_the_same_again() -> None:
    transform = preprocess((6, 8), train=True, shift=2, scale=None, resize_mode="longest")
    assert Preprocess(**transform.config()).config() == transform.config()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 0}, "size"),
        ({"resize_mode": "crop"}, "resize_mode"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"mean": (1.0,)}, "mean"),
        ({"mean": (0.0, float("nan"), 0.0)}, "mean: expected three finite values, found .*nan"),
        ({"std": (1.0, float("inf"), 1.0)}, "std: expected three finite values above 0"),
        ({"shift": -1}, "shift: expected a whole number of at least 0, found -1"),
        ({"scale": (0.5, 1.5)}, "scale"),
        ({"ratio": (0, 1)}, "ratio"),
        ({"fill": 256}, "fill"),
    ],
)
def test_wrong_options(options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Preprocess(**{"size": 8, **options})


def test_wrong_picture() -> None:
    with pytest.raises(ValueError, match=r"picture: expected uint8 .* found float64 \[4, 4\]"):
        preprocess(8)(np.zeros((4, 4)))
