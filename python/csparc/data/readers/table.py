"""Comma or tab separated tables: one row a caption, rows of one picture become its captions."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator

from csparc._text import reason_of, show
from csparc.data.dataset import Gather, Options, PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import lines
from csparc.data.report import BadItem
from csparc.errors import DataError

# The spellings of open_clip's --csv-img-key and --csv-caption-key defaults.
IMG_KEY = "filepath"
CAPTION_KEY = "title"

_NAMED_SEPARATORS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " "}

# A row fed to the csv reader after the last line: a quote never closed swallows it.
_END = "\ue000 end of table \ue000"


def open_table(spec: str, path: str, separator: str, options: Options) -> PictureFiles:
    """Read a table of paths (relative to the table's folder) and captions.

    Parameters
    ----------
    spec : str
        What the data set was opened from.
    path : str
        The table: UTF-8 (a byte-order mark is skipped), any line ends, quoting as in RFC 4180.
    separator : str
        Used unless the options name one.
    options : Options
        `img_key` and `caption_key` name the columns: filepath and title by default.

    Raises
    ------
    DataError
        Broken file, columns missing, nothing left or too many bad rows.
    """
    given = options.separator or separator
    separator = _NAMED_SEPARATORS.get(given, given)
    if len(separator) != 1:
        raise DataError(f"{path}: separator: expected one character, found {show(given)}")
    guard = Guard(os.path.dirname(os.path.abspath(path)), options.allow_outside)
    gather = Gather(options)
    table = rows(path, separator)
    header = next(table, None)
    if header is None:
        raise DataError(f"{path}: expected a table with a header line, found an empty file")
    names = [name.strip() for name in header]
    image_at = _column(path, names, options.img_key or IMG_KEY, "img_key")
    caption_at = _column(path, names, options.caption_key or CAPTION_KEY, "caption_key")
    for number, row in enumerate(table, 1):
        if not row:
            continue
        where = f"{path} row {number}"
        if len(row) != len(names):
            gather.reject(
                BadItem(where, f"expected {len(names)} columns as in the header, found {len(row)}")
            )
            continue
        try:
            picture = guard.join(row[image_at], where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(picture, [row[caption_at]], where)
    found = gather.finish(path)
    return PictureFiles(spec, guard, found, gather.problems, options.max_pixels)


def rows(path: str, separator: str) -> Iterator[list[str]]:
    """The rows of a table, the header first.

    Raises
    ------
    DataError
        Not text, a quote never closed, or a field longer than the csv module's limit.
    """

    def closed_lines() -> Iterator[str]:
        yield from lines(path, "a table")
        yield f"{_END}{separator}{_END}"

    reader = csv.reader(closed_lines(), delimiter=separator)
    number = 0
    try:
        for row in reader:
            if row == [_END, _END]:
                return
            if row and _END in row[-1]:
                break
            number += 1
            yield row
    except csv.Error as error:
        raise DataError(
            f"{path}: expected a table, found in row {number}: {reason_of(error)}"
        ) from error
    raise DataError(f"{path}: expected a table, found a quote in row {number} that never closes")


def _column(path: str, names: list[str], wanted: str, option: str) -> int:
    if names.count(wanted) == 1:
        return names.index(wanted)
    there = ", ".join(show(name, 40) for name in names[:12])
    if wanted in names:
        raise DataError(f"{path}: expected one column {wanted!r}, found several: {there}")
    hint = f"name it with ;{option}=COLUMN"
    if len(names) == 1 and any(mark in names[0] for mark in "\t,;|"):
        hint = "is the separator another one? ;separator=tab, comma or semicolon"
    raise DataError(f"{path}: expected a column {wanted!r}, found {there}; {hint}")
