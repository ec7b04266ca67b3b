"""Resizing has the bits of its definition and of Pillow with every instruction set."""

from __future__ import annotations

import os

import numpy as np
import PIL
import pytest
from guarded import guarded
from other_isa import run_again
from pictures import pixels
from PIL import Image

from csparc import _core
from csparc.data import transforms


def weights(inputs: int, outputs: int, bilinear: bool) -> np.ndarray:
    """The filter's matrix [outputs, inputs], in units of 2**-22."""
    scale = inputs / outputs
    stretch = max(1.0, scale)
    matrix = np.zeros((outputs, inputs))
    for row in range(outputs):
        centre = (row + 0.5) * scale
        reach = (1 if bilinear else 2) * stretch
        first, last = max(0, int(centre - reach + 0.5)), min(inputs, int(centre + reach + 0.5))
        x = np.abs((np.arange(first, last) - centre + 0.5) / stretch)
        if bilinear:
            w = np.maximum(1 - x, 0)
        else:
            near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
            w = np.where(x < 1, near, np.where(x < 2, far, 0))
        matrix[row, first:last] = w / w.sum()
    return np.rint(matrix * 2**22).astype(np.int64)


def slow_resize(picture: np.ndarray, size: tuple[int, int], bilinear: bool) -> np.ndarray:
    """Columns first, rounded to 8 bits, then rows."""
    across = weights(picture.shape[1], size[1], bilinear)
    down = weights(picture.shape[0], size[0], bilinear)
    narrow = np.clip((np.einsum("ji,yic->yjc", across, picture) + 2**21) >> 22, 0, 255)
    return np.clip((np.einsum("ji,iyc->jyc", down, narrow) + 2**21) >> 22, 0, 255)


@pytest.mark.parametrize("interpolation", transforms.INTERPOLATIONS)
def test_resize_equals_its_definition_and_pillow(
    rng: np.random.Generator, interpolation: str
) -> None:
    filtered = Image.Resampling[interpolation.upper()]
    for _ in range(60):
        picture = rng.integers(0, 256, (*rng.integers(1, 150, 2), 3), dtype=np.uint8)
        size = tuple(int(side) for side in rng.integers(1, 100, 2))
        found = transforms.resize(picture, size, interpolation)
        np.testing.assert_array_equal(found, slow_resize(picture, size, filtered == 2))
        # Up to version 12 Pillow runs columns first; then it chooses: one of the orders it must be.
        pillow = np.asarray(Image.fromarray(picture).resize(size[::-1], filtered))
        turned = transforms.resize(picture.transpose(1, 0, 2), size[::-1], interpolation)
        assert np.array_equal(found, pillow) or (
            int(PIL.__version__.partition(".")[0]) > 12
            and np.array_equal(turned.transpose(1, 0, 2), pillow)
        )


def test_resize_of_a_crop_knows_nothing_outside(rng: np.random.Generator) -> None:
    for _ in range(40):
        picture = rng.integers(0, 256, (*rng.integers(2, 90, 2), 3), dtype=np.uint8)
        left, top = (int(rng.integers(side)) for side in picture.shape[1::-1])
        width = int(rng.integers(1, picture.shape[1] - left + 1))
        height = int(rng.integers(1, picture.shape[0] - top + 1))
        part = picture[top : top + height, left : left + width]
        np.testing.assert_array_equal(
            transforms.resize(picture, (13, 9), crop=(left, top, width, height)),
            transforms.resize(part, (13, 9)),
        )


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33])
@pytest.mark.parametrize("height", [1, 2, 15, 16, 17, 31, 33])
def test_sizes_around_those_of_vectors(rng: np.random.Generator, height: int, width: int) -> None:
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for size in ((1, 1), (3, 5), (8, 21), (17, 22), (40, 43)):
        for bilinear, name in enumerate(("bicubic", "bilinear")):
            found = transforms.resize(picture, size, name)
            np.testing.assert_array_equal(found, slow_resize(picture, size, bool(bilinear)))


@pytest.mark.parametrize("size", [(2, 300), (300, 2), (64, 64), (1, 1)])
def test_pictures_of_0_and_255_alone(rng: np.random.Generator, size: tuple[int, int]) -> None:
    """The largest sums: negative weights over black beside white give more than 255, or below 0."""
    for picture in (
        rng.integers(0, 2, (90, 110, 3), dtype=np.uint8) * np.uint8(255),
        np.full((2, 3, 3), 255, np.uint8),
        np.repeat(np.arange(70) % 2 * 255, 3 * 2).astype(np.uint8).reshape(2, 70, 3),
        np.tile(np.uint8([[[0] * 3], [[255] * 3]]), (3, 9, 1)),
    ):
        np.testing.assert_array_equal(
            transforms.resize(picture, size), slow_resize(picture, size, bilinear=False)
        )


def test_sums_of_a_part_of_weights_may_wrap() -> None:
    """Of the many small weights below 0 the lower parts are large."""
    picture = np.full((1, 400_000, 3), 255, np.uint8)
    picture[0, ::3] = 254
    lower = weights(400_000, 4, bilinear=False)[1] & 255
    assert lower.sum() * 254 > 2**31
    found = transforms.resize(picture, (1, 4))
    np.testing.assert_array_equal(found, slow_resize(picture, (1, 4), bilinear=False))


@pytest.mark.parametrize("at_end", [False, True])
def test_nothing_outside_the_picture_is_touched(rng: np.random.Generator, at_end: bool) -> None:
    for width in (1, 2, 4, 5, 6, 7, 11, 22, 43, 65):
        x = rng.integers(0, 256, (19, width, 3), dtype=np.uint8)
        expected = np.zeros((13, width, 3), np.uint8)
        _core.resize(x, 0, 0, width, 19, 0, expected)
        found = guarded(np.zeros((13, width, 3), np.uint8), at_end)
        _core.resize(guarded(x, at_end), 0, 0, width, 19, 0, found)
        np.testing.assert_array_equal(found, expected)


def test_strided_pictures(rng: np.random.Generator) -> None:
    whole = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
    for part in (whole[::2, ::-3], whole[5:, 7:-1], whole[..., ::-1], whole.transpose(1, 0, 2)):
        np.testing.assert_array_equal(
            transforms.resize(part, (21, 34)), slow_resize(part, (21, 34), bilinear=False)
        )


@pytest.mark.parametrize(
    "crop",
    [
        *[(-1, 0, 2, 2), (0, -1, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0), (0, 0, 9, 2), (7, 0, 2, 2)],
        *[(0, 6, 2, 1), (2**62, 0, 2**62, 2), (0, 2**63 - 1, 1, 2**63 - 1), (1, 1, 2**63 - 1, 1)],
    ],
)
def test_resize_refuses_crops_outside(crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="resize"):
        transforms.resize(pixels(0, 6, 8), (4, 4), crop=crop)
    with pytest.raises(ValueError, match="resize"):
        transforms.resize(pixels(0, 6, 8), (0, 4))


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set(isa: str) -> None:
    run_again(__file__, isa, {**os.environ, "CSPARC_ISA": isa})
