"""Tables with the columns filepath and title that are wrong somewhere; ``a.png`` exists."""

from __future__ import annotations

GOOD = b"filepath,title\na.png,a red square\na.png,a square\n"
_HEAD = b"filepath,title\n"

FILES: dict[str, bytes] = {
    # The file.
    "empty": b"",
    "only a byte order mark": b"\xef\xbb\xbf",
    "only line ends": b"\n\n\n",
    "only a header": _HEAD,
    "header without line end": b"filepath,title",
    "Latin-1": GOOD + "a.png,Häuschen\n".encode("latin-1"),
    "NUL in the header": b"file\0path,title\na.png,x\n",
    "NUL in a caption": _HEAD + b"a.png,x\0y\n",
    "NULs only": b"\0" * 4096,
    "a PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64),
    "a zip": b"PK\x03\x04" + bytes(range(256)),
    "truncated UTF-8": _HEAD + b"a.png,\xe7\x94",
    "lone continuation byte": _HEAD + b"a.png,\x80\n",
    "UTF-8 surrogate": _HEAD + b"a.png,\xed\xa0\x80\n",
    # The header.
    "other columns": b"image,caption\na.png,x\n",
    "no header": b"a.png,a red square\na.png,x\n",
    "one column": b"filepath\na.png\n",
    "case of the header": b"Filepath,Title\na.png,x\n",
    "column twice": b"filepath,title,title\na.png,x,y\n",
    "path column twice": b"filepath,filepath,title\na.png,a.png,x\n",
    "header in quotes as one": b'"filepath,title"\na.png,x\n',
    "JSON": b'[{"filepath": "a.png", "title": "x"}]',
    "HTML": b"<!doctype html><table><tr><td>a.png</td></tr></table>",
    # Quotes.
    "field beyond the limit": _HEAD + b"a.png," + b"x" * 200_000 + b"\n",
    "quoted field beyond the limit": _HEAD + b'a.png,"' + (b"x" * 200 + b"\n") * 1000 + b'"\n',
    # Rows.
    "too few fields": _HEAD + b"a.png\n",
    "too many fields": _HEAD + b"a.png,x,y\n",
    "caption with an unquoted comma": _HEAD + b"a.png,red, round\n",
    "empty path": _HEAD + b",x\n",
    "blank path": _HEAD + b"   ,x\n",
    "empty caption": _HEAD + b"a.png,\n",
    "blank caption": _HEAD + b"a.png,   \n",
    "no such picture": _HEAD + b"none.png,x\n",
    "a folder": _HEAD + b".,x\n",
    "absolute path": _HEAD + b"/etc/hostname,x\n",
    "path to the parent": _HEAD + b"../a.png,x\n",
    "hidden way to the parent": _HEAD + b"b/../../a.png,x\n",
    "very long path": _HEAD + b"a/" * 5000 + b",x\n",
    "very long name": _HEAD + b"a" * 300 + b".png,x\n",
    "the table itself": _HEAD + b"table.csv,x\n",
    "pictures are numbers": _HEAD + b"1,2\n3,4\n",
    "control characters": _HEAD + b"\x01\x02,x\n",
}
