"""Pictures are read whatever their metadata say; other files are called by what they are."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, pixels
from PIL import Image

from csparc import _kinds
from csparc.cli.main import build_parser
from csparc.data import images
from csparc.data.report import BadItem


def chunk(kind: bytes, body: bytes, check: int | None = None) -> bytes:
    check = zlib.crc32(kind + body) if check is None else check
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def png_with(*chunks: bytes) -> bytes:
    """A good PNG file with more chunks after its header."""
    content = encoded(1)
    return content[:33] + b"".join(chunks) + content[33:]


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """A good JPEG file with more segments before its first."""
    content = encoded(1, "JPEG")
    parts = [
        bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for marker, body in segments
    ]
    return content[:2] + b"".join(parts) + content[2:]


PACKED = zlib.compress(bytes(1 << 24), 9)

WITH_METADATA = {
    "a long text": png_with(chunk(b"tEXt", b"parameters\0" + b"x" * (3 << 20))),
    "a long packed text": png_with(chunk(b"zTXt", b"parameters\0\0" + PACKED)),
    "a long international text": png_with(chunk(b"iTXt", b"a\0\1\0\0\0" + PACKED)),
    "many texts": png_with(*[chunk(b"zTXt", b"k\0\0" + PACKED)] * 9),
    "a text with a wrong check sum": png_with(chunk(b"tEXt", b"k\0text", check=1)),
    "a date with a wrong check sum": png_with(chunk(b"tIME", b"\0" * 7, check=1)),
    "a profile that is none": png_with(chunk(b"iCCP", b"k\0\0garbage")),
    "a profile of gigabytes": png_with(chunk(b"iCCP", b"k\0\0" + PACKED)),
    "a density cut short": png_with(chunk(b"pHYs", b"\0")),
    "EXIF that is none": png_with(chunk(b"eXIf", b"garbage")),
    "a gamma cut short": png_with(chunk(b"gAMA", b"\0")),
    "an animation cut short": png_with(chunk(b"acTL", b"\0")),
    "JPEG, EXIF that is none": jpeg_with((0xE1, b"Exif\0\0garbage")),
    "JPEG, EXIF without end": jpeg_with((0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    "JPEG, a profile that is none": jpeg_with((0xE2, b"ICC_PROFILE\0\x09")),
    "JPEG, a part of a profile": jpeg_with((0xE2, b"ICC_PROFILE\0\x01\x09x")),
    "JPEG, Photoshop's record cut short": jpeg_with((0xED, b"Photoshop 3.0\0008BIM\x04")),
    "JPEG, an index of pictures that is none": jpeg_with((0xE2, b"MPF\0II*\0\xff\xff\xff\xff")),
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", WITH_METADATA)
def test_metadata_do_not_decide_about_pixels(name: str) -> None:
    expected = encoded(1, "JPEG") if name.startswith("JPEG") else encoded(1)
    found = images.read(WITH_METADATA[name], "x")
    np.testing.assert_array_equal(found, images.read(expected, "x"))


def test_a_picture_without_its_metadata_is_still_upright_and_transparent() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG"):
        buffer = io.BytesIO()
        Image.fromarray(pixels(1)).save(buffer, kind, exif=exif)
        content = buffer.getvalue()
        broken = chunk(b"tEXt", b"k\0text", check=1)
        if kind == "PNG":
            marred = content[:33] + broken + content[33:]
            np.testing.assert_array_equal(images.read(marred, "x"), images.read(content, "x"))
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=1)
    content = buffer.getvalue()
    marred = content[:33] + broken + content[33:]
    np.testing.assert_array_equal(images.read(marred, "x"), images.read(content, "x"))


@pytest.mark.parametrize("low_high", [(0, 255), (0, 65_535), (-5, 70_000), (0, 2**31 - 1)])
def test_integers_of_32_bits_have_no_range(low_high: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.array([low_high], np.int32)).save(buffer, "TIFF")
    with pytest.raises(BadItem, match="pixels of 32 bits or with a sign have no stated range"):
        images.read(buffer.getvalue(), "x")


def test_integers_of_16_bits_have_one() -> None:
    wide = b"P5\n2 1\n65535\n" + struct.pack(">HH", 0, 65_535)
    assert images.read(wide, "x")[0, :, 0].tolist() == [0, 255]


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(2))
    return buffer.getvalue()


OTHERS = {
    "an empty file": b"",
    "a file of zero bytes": bytes(3000),
    "an HTML page": b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "an HTML page ": b"<html><head/></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(30),
    "a HEIC picture ": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(30),
    "a film": b"\0\0\0\x18ftypisom\0\0\0\0" + bytes(30),
    "a JPEG XL picture": b"\xff\x0a" + bytes(range(40)),
    "an SVG drawing": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a PDF document": b"%PDF-1.7\n1 0 obj",
    "a gzip-compressed file": b"\x1f\x8b\x08" + bytes(30),
    "a zip archive": zipped("a.txt"),
    "a PyTorch checkpoint": zipped("archive/data.pkl", "archive/version"),
    "a pickle": pickle.dumps({"a": 1}, protocol=2),
    "a NumPy archive": npz(),
    "a document of Excel": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "a safetensors file": struct.pack("<Q", 20) + b'{"a":1}             ',
    "a Parquet table": b"PAR1\x15\x04" + bytes(30),
    "what macOS keeps": b"\0\x05\x16\x07\0\2\0\0Mac OS X" + bytes(30),
    "a text file": b"just words in a file\n",
    "another kind of file": bytes(range(1, 200)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_called_by_their_kind(kind: str, tmp_path: Path) -> None:
    assert _kinds.found_kind(OTHERS[kind]).startswith(kind.strip())
    with pytest.raises(BadItem, match=f"x: expected a picture, found {kind.strip()}"):
        images.read(OTHERS[kind], "x")
    path = tmp_path / "x.jpg"
    path.write_bytes(OTHERS[kind])
    assert _kinds.kind_of_file(str(path)) == _kinds.kind_of(OTHERS[kind])


@pytest.mark.parametrize("text", ["BMW, red", "P5 is a road", "RIFFraff", "{}", "filepath,title"])
def test_texts_are_no_binary_kind(text: str) -> None:
    assert _kinds.kind_of(text.encode()) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_a_torn_picture_is_called_so(kind: str) -> None:
    content = encoded(1, kind, height=40, width=40)
    with pytest.raises(BadItem, match=r"picture, cut short or broken|is the file whole"):
        images.read(content[: len(content) // 3], "x")


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("L", "PNG"), ("RGB", "BMP"), ("RGB", "PPM")]
)
def test_a_size_that_the_file_cannot_hold_allocates_nothing(mode: str, kind: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (5000, 5000)).save(buffer, kind)
    with pytest.raises(BadItem, match="5000 x 5000 pixels are more than 400 bytes can hold"):
        images.read(buffer.getvalue()[:400], "x")


def test_pillow_adds_no_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        assert images.read(encoded(1, kind, height=30, width=30), "x").shape == (30, 30, 3)
    with pytest.raises(BadItem, match=r"30 x 30 .* limit of 899 \(max_pixels=, --max-pixels"):
        images.read(encoded(1, height=30, width=30), "x", 899)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_every_command_that_reads_pictures_has_the_limit(capsys: pytest.CaptureFixture) -> None:
    for command in (["train"], ["eval", "retrieval"], ["eval", "grounding"], ["encode"], ["align"],
                    ["demo"]):  # fmt: skip
        with pytest.raises(SystemExit):
            build_parser().parse_args([*command, "--help"])
        assert "--max-pixels N" in capsys.readouterr().out
