"""Picture files that are wrong somewhere, with the suffix of what they pretend to be."""

from __future__ import annotations

import struct
import zlib

from pictures import encoded

_PNG = encoded(1, "PNG", height=40, width=40)
_JPEG = encoded(1, "JPEG", height=40, width=40)
_GIF = encoded(1, "GIF", height=40, width=40)
_BMP = encoded(1, "BMP", height=40, width=40)
_TIFF = encoded(1, "TIFF", height=40, width=40)
_WEBP = encoded(1, "WEBP", height=40, width=40)
_PPM = encoded(1, "PPM", height=40, width=40)

GOOD = {"png": _PNG, "jpg": _JPEG, "gif": _GIF, "bmp": _BMP, "tif": _TIFF, "webp": _WEBP}


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(chunks) + _chunk(b"IEND", b"")


def _pixels(count: int) -> bytes:
    return _chunk(b"IDAT", zlib.compress(bytes(count)))


def _bmp(width: int, height: int) -> bytes:
    return _BMP[:18] + struct.pack("<ii", width, height) + _BMP[26:]


def _jpeg_size(width: int, height: int) -> bytes:
    at = _JPEG.index(b"\xff\xc0") + 5
    return _JPEG[:at] + struct.pack(">HH", height, width) + _JPEG[at + 4 :]


FILES: dict[str, bytes] = {
    # Not pictures.
    "empty.png": b"",
    "text.jpg": b"not a picture",
    "html.png": b"<html><body>404 Not Found</body></html>",
    "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "zeros.png": bytes(5000),
    "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "pdf.png": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "zip.png": b"PK\x03\x04" + bytes(100),
    "icon.png": b"\0\0\1\0\1\0" + bytes(40),
    # Cut short.
    "signature only.png": _PNG[:8],
    "header only.png": _PNG[:33],
    "half.png": _PNG[: len(_PNG) // 2],
    "half.jpg": _JPEG[: len(_JPEG) // 2],
    "half.gif": _GIF[: len(_GIF) // 2],
    "half.bmp": _BMP[: len(_BMP) // 2],
    "half.tif": _TIFF[: len(_TIFF) // 2],
    "half.webp": _WEBP[: len(_WEBP) // 2],
    "half.ppm": _PPM[: len(_PPM) // 2],
    "start of image only.jpg": _JPEG[:2],
    "tables only.jpg": _JPEG[: _JPEG.index(b"\xff\xda")],
    # Sizes that lie.
    "bomb.png": _png(100_000, 100_000, _pixels(10)),
    "bomb of the largest size.png": _png(2**31 - 1, 2**31 - 1, _pixels(10)),
    "beyond the limit.png": _png(2000, 2000, _pixels(10)),
    "size zero.png": _png(0, 10, _pixels(10)),
    "negative size.png": _png(2**32 - 5, 10, _pixels(10)),
    "more rows than pixels.png": _png(40, 900, _pixels(500)),
    "bomb.bmp": _bmp(2**31 - 1, 2**31 - 1),
    "negative width.bmp": _bmp(-40, 40),
    "size zero.bmp": _bmp(0, 0),
    "bomb.jpg": _jpeg_size(65_500, 65_500),
    "size zero.jpg": _jpeg_size(0, 40),
    "bomb.gif": _GIF[:6] + b"\xff\xff\xff\xff" + _GIF[10:],
    "bomb.ppm": b"P6\n99999999 99999999\n255\n" + bytes(300),
    "size of many digits.ppm": b"P6\n" + b"9" * 5000 + b" 4\n255\n",
    "no size.ppm": b"P6\n",
    "negative size.ppm": b"P6\n-4 -4\n255\n" + bytes(48),
    # Contents.
    "no pixels.png": _png(40, 40),
    "pixels not zlib.png": _png(40, 40, _chunk(b"IDAT", b"garbage that is no stream")),
    "impossible depth.png": _png(4, 4, _pixels(60), depth=7),
    "impossible colour.png": _png(4, 4, _pixels(60), colour=5),
    "wrong check sum.png": _PNG[:29] + b"\0\0\0\0" + _PNG[33:],
    "directory far away.tif": b"II*\0\xff\xff\xff\x7f" + bytes(100),
    "directory in a circle.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0" + bytes(100),
    "a million tags.tif": b"II*\0\x08\0\0\0\xff\xff" + bytes(400),
    "riff without picture.webp": b"RIFF\x04\0\0\0WEBP",
}

# Wrong too, but their pixels are whole: they may decode.
HARMLESS: dict[str, bytes] = {
    "text that unpacks to gigabytes.png": _png(
        4, 4, _chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 27), 9)), _pixels(52)
    ),
    "profile that unpacks to gigabytes.png": _png(
        4, 4, _chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 27), 9)), _pixels(52)
    ),
    "palette missing.png": _png(4, 4, _pixels(20), colour=3),
    "chunk of gigabytes.png": _PNG[:33] + b"\x7f\xff\xff\xffIDAT" + _PNG[41:],
    "no end.png": _PNG[:-12],
    "rest after the end.jpg": _JPEG + bytes(5000),
    "no end of image.jpg": _JPEG[:-2],
}
