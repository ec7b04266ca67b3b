"""Pictures of every format decode to upright RGB, and broken or huge ones are refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, pixels
from PIL import Image

from csparc.data import BadItem, images


def as_bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_exact_formats(kind: str) -> None:
    flat = np.zeros((4, 6, 3), np.uint8) + np.array([10, 200, 90], np.uint8)
    found = images.read(as_bytes(Image.fromarray(flat), kind), "x")
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, flat)


def test_path_and_bytes_agree(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(2, "JPEG"))
    found = images.read(str(tmp_path / "a.jpg"), "x")
    np.testing.assert_array_equal(found, images.read(encoded(2, "JPEG"), "x"))
    assert np.abs(found.astype(int) - pixels(2)).mean() < 20


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_upright(orientation: int) -> None:
    stored = Image.fromarray(pixels(1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = images.read(as_bytes(stored, exif=exif), "x")
    expected = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](pixels(1))
    np.testing.assert_array_equal(found, expected)


def test_damaged_exif_leaves_the_picture() -> None:
    content = as_bytes(Image.fromarray(pixels(1)), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    np.testing.assert_array_equal(images.read(content, "x"), pixels(1))


def test_sixteen_bit_grey() -> None:
    grey = np.array([[0, 128, 129, 257], [32768, 65279, 65407, 65535]], np.uint16)
    found = images.read(as_bytes(Image.fromarray(grey)), "x")
    expected = np.round(grey / 257).astype(np.uint8)
    np.testing.assert_array_equal(found, np.stack([expected] * 3, axis=2))
    assert images.read(as_bytes(Image.fromarray(grey), "TIFF"), "x").max() == 255


def test_grey_and_bilevel() -> None:
    grey = pixels(0)[..., 0]
    found = images.read(as_bytes(Image.fromarray(grey)), "x")
    np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=2))
    bits = images.read(as_bytes(Image.fromarray(grey > 60)), "x")
    np.testing.assert_array_equal(bits[..., 0], (grey > 60) * 255)


def test_transparency_lies_on_white() -> None:
    layered = np.zeros((1, 3, 4), np.uint8)
    layered[0, :, 0] = 200
    layered[0, :, 3] = [0, 128, 255]
    found = images.read(as_bytes(Image.fromarray(layered)), "x")
    alpha = layered[0, :, 3:] / 255
    expected = layered[0, :, :3] * alpha + 255 * (1 - alpha)
    assert np.abs(found[0] - expected).max() <= 1
    assert found[0, 0].tolist() == [255, 255, 255]
    two = images.read(as_bytes(Image.fromarray(layered[..., 2:])), "x")
    assert two[0, :, 0].tolist() == [255, 127, 0]


def test_palette_with_and_without_transparency() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert images.read(as_bytes(image), "x").tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    clear = images.read(as_bytes(image, transparency=1), "x")
    assert clear.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_transparent_colour_of_an_rgb_picture() -> None:
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    assert images.read(as_bytes(image, transparency=(1, 2, 3)), "x").tolist() == [
        [[255, 255, 255], [9, 9, 9]]
    ]


def test_cmyk() -> None:
    cmyk = Image.fromarray(pixels(1, 16, 16)).convert("CMYK")
    found = images.read(as_bytes(cmyk, "JPEG", quality=100, subsampling=0), "x")
    assert np.abs(found.astype(int) - np.asarray(cmyk.convert("RGB"))).max() < 12


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    content = as_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.read(content, "x")[0, 0].tolist() == [255, 0, 0]


def test_floating_point_pixels_are_refused() -> None:
    content = as_bytes(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    with pytest.raises(BadItem, match="floating-point"):
        images.read(content, "x")


def test_pixel_limit_is_judged_by_the_header() -> None:
    content = encoded(0, height=20, width=30)
    assert images.read(content, "x", max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(BadItem, match="x: 30 x 20 pixels are more than the limit of 599"):
        images.read(content, "x", max_pixels=599)


def bomb(width: int, height: int) -> bytes:
    """A PNG header for any size, and no pixels to speak of."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(9000, 9960), (10_000, 10_000), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_bombs_allocate_nothing(size: tuple[int, int]) -> None:
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(BadItem):
        images.read(bomb(*size), "x", max_pixels=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_other_files_are_no_pictures() -> None:
    for content in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        with pytest.raises(BadItem, match=r"x: expected a picture, found an? "):
            images.read(content, "x")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_truncated_at_every_length(kind: str) -> None:
    content = encoded(1, kind, height=40, width=40)
    for length in range(0, len(content) * 3 // 4, max(1, len(content) // 40)):
        with pytest.raises(BadItem):
            images.read(content[:length], "x")
