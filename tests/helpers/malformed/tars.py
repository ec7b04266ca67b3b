"""Tar archives that are wrong somewhere, made from one good shard."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile

from pictures import encoded

_PICTURE = encoded(1)


def _archive(*entries: tuple[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


GOOD = _archive(("x.png", _PICTURE), ("x.txt", b"a red square\n"))
_SECOND = 512 + -(-len(_PICTURE) // 512) * 512


def _with(at: int, content: bytes, header: int = 0, archive: bytes = GOOD) -> bytes:
    """The archive with bytes of one header replaced, its check sum put right."""
    changed = bytearray(archive)
    changed[header + at : header + at + len(content)] = content
    changed[header + 148 : header + 156] = b" " * 8
    total = sum(changed[header : header + 512])
    changed[header + 148 : header + 156] = b"%06o\0 " % total
    return bytes(changed)


def _header(kind: bytes, body: bytes, claimed: int | None = None) -> bytes:
    """One member of any type, padded."""
    header = bytearray(512)
    header[:4] = b"name"
    header[124:136] = b"%011o\0" % (len(body) if claimed is None else claimed)
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    padded = body + bytes(-len(body) % 512)
    return _with(0, b"name", 0, bytes(header)) + padded


def _size(content: bytes, header: int = 0) -> bytes:
    return _with(124, content, header)


FILES: dict[str, bytes] = {
    # Other files.
    "empty": b"",
    "one byte": b"x",
    "text": b"this is no archive\n" * 100,
    "a PNG": _PICTURE + bytes(600),
    "a gzip": gzip.compress(GOOD),
    "a bzip2": bz2.compress(GOOD) + bytes(512),
    "an xz": lzma.compress(GOOD) + bytes(512),
    "a zip": b"PK\x03\x04" + bytes(1000),
    "zeros only": bytes(10240),
    "ones only": b"\xff" * 10240,
    # Cut short.
    "half a header": GOOD[:300],
    "header only": GOOD[:512],
    "cut in the picture": GOOD[: 512 + 40],
    "cut before the captions": GOOD[: _SECOND + 512],
    "captions cut": GOOD[: _SECOND + 512 + 5],
    "bytes lost in the middle": GOOD[:100] + GOOD[140:],
    "a byte added at the front": b"\0" + GOOD,
    # Check sums.
    "wrong check sum": GOOD[:5] + b"?" + GOOD[6:],
    "wrong second check sum": GOOD[: _SECOND + 5] + b"?" + GOOD[_SECOND + 6 :],
    "check sum no number": GOOD[:148] + b"zzzzzzzz" + GOOD[156:],
    "check sum blank": GOOD[:148] + b"        " + GOOD[156:],
    # Sizes that lie.
    "size no number": _size(b"hello world\0"),
    "size not octal": _size(b"00000000999\0"),
    "size negative text": _size(b"-0000000100\0"),
    "size negative in base 256": _size(b"\xff" * 12),
    "size minus one in base 256": _size(b"\xff" + b"\xff" * 10 + b"\xfe"),
    "size huge in base 256": _size(b"\x80" + b"\xff" * 11),
    "size huge in octal": _size(b"77777777777\0"),
    "second size huge": _size(b"77777777777\0", _SECOND),
    "size one block too long": _size(b"%011o\0" % (len(GOOD)), _SECOND),
    "size far too short": _size(b"%011o\0" % 3),
    # Extended headers.
    "long name of gigabytes": _header(b"L", b"", 1 << 32) + GOOD,
    "long name beyond the limit": _header(b"L", b"n" * (2 << 20)) + GOOD,
    "pax of gigabytes": _header(b"x", b"", 1 << 32) + GOOD,
    "pax without length": _header(b"x", b"path=x.png\n") + GOOD,
    "pax of length zero": _header(b"x", b"0 path=x.png\n") + GOOD,
    "pax longer than itself": _header(b"x", b"99 path=x.png\n") + GOOD,
    "pax length of many digits": _header(b"x", b"9" * 400) + GOOD,
    "pax negative length": _header(b"x", b"-5 path=x\n") + GOOD,
    "pax without equals": _header(b"x", b"8 path1\n") + GOOD,
    "pax size huge": _header(b"x", b"27 size=9999999999999999999\n"[:27] + b"\n") + GOOD,
    "pax size negative": _header(b"x", b"11 size=-1\n") + GOOD,
    "pax size no number": _header(b"x", b"12 size=abc\n") + GOOD,
    # Samples.
    "no members": _archive(),
    "only folders": _header(b"5", b"") + bytes(1024),
    "only links": _header(b"2", b"") + bytes(1024),
    "no caption": _archive(("x.png", _PICTURE)),
    "no picture": _archive(("x.txt", b"red")),
    "names without dots": _archive(("x", _PICTURE), ("y", b"red")),
    "captions empty": _archive(("x.png", _PICTURE), ("x.txt", b"")),
    "captions not UTF-8": _archive(("x.png", _PICTURE), ("x.txt", b"\xff\xfe")),
    "captions with NUL": _archive(("x.png", _PICTURE), ("x.txt", b"a\0b")),
    "json broken": _archive(("x.png", _PICTURE), ("x.json", b"{")),
    "json deep": _archive(("x.png", _PICTURE), ("x.json", b"[" * 100_000)),
    "json without caption": _archive(("x.png", _PICTURE), ("x.json", b"{}")),
    "json caption a number": _archive(("x.png", _PICTURE), ("x.json", b'{"caption": 3}')),
    "json caption empty list": _archive(("x.png", _PICTURE), ("x.json", b'{"caption": []}')),
    "picture empty": _archive(("x.png", b""), ("x.txt", b"red")),
    "picture cut": _archive(("x.png", _PICTURE[:40]), ("x.txt", b"red")),
    "picture twice": _archive(("x.png", _PICTURE), ("x.jpg", _PICTURE), ("x.txt", b"red")),
}
