"""A picture's file without what is not pixels: texts, profiles, previews, dates.

Decoders give up at metadata that are broken or large; the pixels are whole, and viewers show them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST_EXIF = 1 << 20


def bare_forms(content: bytes) -> Iterator[bytes]:
    """The file without metadata, first with the EXIF record, which turns it upright, then without.

    Nothing for formats other than PNG and JPEG, or where a form would be the file as it is.
    """
    strip = _bare_png if content.startswith(_PNG) else _bare_jpeg
    if strip is _bare_jpeg and not content.startswith(b"\xff\xd8"):
        return
    seen = [content]
    for keep_exif in (True, False):
        form = strip(content, keep_exif)
        if form not in seen:
            seen.append(form)
            yield form


def _bare_png(content: bytes, keep_exif: bool) -> bytes:
    """The chunks that a decoder cannot do without; of the others transparency and EXIF, if whole.

    What follows the last whole chunk is kept as it is.
    """
    parts, position = [_PNG], len(_PNG)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            break
        optional = kind == b"tRNS" or (kind == b"eXIf" and keep_exif and length <= _LARGEST_EXIF)
        if kind[:1].isupper() or (optional and _is_whole(content, position, end)):
            parts.append(content[position:end])
        position = end
    return b"".join([*parts, content[position:]])


def _is_whole(content: bytes, position: int, end: int) -> bool:
    (stated,) = struct.unpack_from(">I", content, end - 4)
    return zlib.crc32(content[position + 4 : end - 4]) == stated


def _bare_jpeg(content: bytes, keep_exif: bool) -> bytes:
    """Without comments and application segments, but for JFIF and Adobe, which name the colours."""
    parts, position = [content[:2]], 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0xDA or marker < 0xC0:
            break
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        application = 0xE1 <= marker <= 0xEF and marker != 0xEE
        exif = marker == 0xE1 and content[position + 4 : position + 8] == b"Exif"
        if not (application or marker == 0xFE) or (exif and keep_exif):
            parts.append(content[position:end])
        position = end
    return b"".join([*parts, content[position:]])
