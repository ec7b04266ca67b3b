"""What a file is by its first bytes, for messages that name the cause and the remedy."""

from __future__ import annotations

import re

from csparc import _text

HEAD_BYTES = 4096
"""So many first bytes are enough for `kind_of`."""

READABLE_PICTURES = {
    "a JPEG picture": "JPEG",
    "a PNG picture": "PNG",
    "a GIF picture": "GIF",
    "a WebP picture": "WEBP",
    "a BMP picture": "BMP",
    "a TIFF picture": "TIFF",
    "a PPM picture": "PPM",
    "a JPEG 2000 picture": "JPEG2000",
    "an AVIF picture": "AVIF",
}
"""The kinds that `csparc.data.images` reads, with Pillow's name of each format."""

_UNREAD = ", a format that is not read: convert it to JPEG or PNG"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file it stands for, git lfs pull"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", f"a JPEG XL picture{_UNREAD}"),
    (b"\xff\x0a", f"a JPEG XL picture{_UNREAD}"),
    (b"\0\0\x01\0", f"an icon{_UNREAD}"),
    (b"8BPS\0", f"a Photoshop picture{_UNREAD}"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"\x1f\x8b", "a gzip-compressed file: unpack it, gunzip"),
    (b"\xfd7zXZ", "an xz-compressed file: unpack it, unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstd-compressed file: unpack it, unzstd"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"Rar!\x1a", "a RAR archive: unpack it"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1\x15", "a Parquet table: save it as CSV"),
    (b"ARROW1\0", "an Arrow table: save it as CSV"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "a document of Excel or Word: save a table as CSV"),
    (b"\0\x05\x16\x07", "what macOS keeps beside a file (AppleDouble), not the file"),
)

_BRANDS = {
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
    **dict.fromkeys(
        (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"), f"a HEIC picture{_UNREAD}"
    ),
}

_PPM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_SVG = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!doctype svg[^>]*>\s*)?<svg\b", re.I)


def kind_of(head: bytes) -> str | None:
    """What a file is, with its article and where there is one the remedy; None for text and for
    what is not known.

    Parameters
    ----------
    head : bytes
        The whole file, or its first `HEAD_BYTES`.
    """
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "a file of zero bytes, as a full disk or a broken transfer leaves them"
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a film (MP4 or QuickTime)")
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "a bzip2-compressed file: unpack it, bunzip2"
    if head[:4] == b"GGUF" and b"\0" in head[4:8]:
        return "a GGUF checkpoint of another program"
    if _PPM.match(head):
        return "a PPM picture"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "a BMP picture"
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        return "a pickle, as old PyTorch checkpoints are"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return _text_kind(head)


def found_kind(head: bytes) -> str:
    """`kind_of`, or that it is text or not known."""
    return kind_of(head) or ("a text file" if _is_text(head) else "another kind of file")


def kind_of_file(path: str) -> str | None:
    """`kind_of` a file on disk; None, too, where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return kind_of(file.read(HEAD_BYTES))
    except OSError:
        return None


def _zip(head: bytes) -> str:
    if b"/data.pkl" in head or b"/.format_version" in head or b"/version" in head[:200]:
        return "a PyTorch checkpoint (a zip of pickles)"
    if b"[Content_Types].xml" in head or b"_rels/" in head or b"xl/" in head:
        return "a document of Excel or Word: save a table as CSV"
    if head[30:200].partition(b"PK")[0].find(b".npy") > 0:
        return "a NumPy archive (.npz)"
    return "a zip archive: unpack it"


def _text_kind(head: bytes) -> str | None:
    if _HTML.match(head):
        return "an HTML page, as a failed download leaves it"
    if _SVG.match(head):
        return f"an SVG drawing{_UNREAD}"
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length < 1 << 30:
        return "a safetensors file"
    return None


def _is_text(head: bytes) -> bool:
    encoding = _text.encoding_of(head)
    text = head.decode(encoding, "ignore")
    lost = len(head) - len(text.encode(encoding.removesuffix("-sig"), "ignore"))
    return lost <= 4 and all(letter.isprintable() or letter.isspace() for letter in text)
