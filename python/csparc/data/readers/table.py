"""Tables: one row a caption, rows of one picture become its captions."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from csparc import _text
from csparc._repr import fields_line
from csparc._text import show
from csparc.data.gather import Gather
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers import hard_negatives
from csparc.data.readers.paths import Guard
from csparc.data.readers.table_rows import QUOTING, Row, Rows
from csparc.data.readers.text_files import lines
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

# The spellings of open_clip's --csv-img-key and --csv-caption-key defaults.
IMG_KEYS = ("filepath",)
CAPTION_KEYS = ("title",)

_NAMED_SEPARATORS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " "}
_SEPARATORS = ("\t", ";", ",", "|")
# The line by which Excel is told the separator.
_STATED = re.compile(r"\"?sep=(.)\"?\s*", re.I)


@dataclass(frozen=True)
class Keys:
    """The columns to look for, the first that is there; those given alone, where they are."""

    img: Sequence[str]
    caption: Sequence[str]

    __repr__ = fields_line

    @classmethod
    def of(cls, options: Options, img: Sequence[str], caption: Sequence[str]) -> Keys:
        """The columns that the options name, else these."""
        return cls(
            (options.img_key,) if options.img_key else img,
            (options.caption_key,) if options.caption_key else caption,
        )

    def are_in(self, names: Sequence[str]) -> bool:
        return all(any(key in names for key in keys) for keys in (self.img, self.caption))


def open_table(spec: str, path: str, separator: str, options: Options) -> PictureFiles:
    """Read a table of paths (relative to the table's folder) and captions.

    Parameters
    ----------
    spec : str
        What the data set was opened from.
    path : str
        The table: UTF-8 or, with its byte-order mark, UTF-16; quoting as `table_rows.QUOTING` says.
    separator : str
        Used unless the options name one, or the header has the columns with another one.
    options : Options
        `img_key` and `caption_key` name the columns: filepath and title by default;
        `hard_negative_key` that of hard negatives, by default one of `hard_negatives.KEYS`, if
        there is one.

    Raises
    ------
    DataError
        Broken file, columns missing, nothing left or too many bad rows.
    """
    guard = guard_of(path, options)
    gather = Gather(options)
    keys = Keys.of(options, IMG_KEYS, CAPTION_KEYS)
    for where, name, caption, negatives in pairs(path, separator, keys, options, gather.problems):
        try:
            if isinstance(name, BadItem):
                raise name
            picture = guard.join(name, where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(picture, [caption], where)
        gather.add_hard_negatives(picture, negatives, where)
    found = gather.finish(path)
    return PictureFiles(
        spec, guard, found, gather.problems, options.max_pixels, gather.hard_negatives
    )


def guard_of(path: str, options: Options) -> Guard:
    """Of the paths in a table, which are relative to its folder."""
    folder = os.path.dirname(os.path.abspath(path))
    return Guard(folder, options.allow_outside, "the table's folder")


def pairs(
    path: str, separator: str, keys: Keys, options: Options, problems: BadItems
) -> Iterator[tuple[str, str | BadItem, str, list[object]]]:
    """(where, path of the picture, caption, hard negatives) of each row that holds something.

    Instead of a path it gives the BadItem of a row that does not fit. What else is to be known goes
    to `problems` as notes.

    Raises
    ------
    DataError
        Broken file, or the columns are missing.
    """
    separator, skipped = _separator(path, separator, keys, options)
    quoting = options.quoting or "auto"
    if quoting not in QUOTING:
        raise DataError(f"{path}: quoting: expected {', '.join(QUOTING)}, found {show(quoting)}")
    table = Rows(path, separator, quoting)
    read = itertools.islice(iter(table), skipped, None)
    header = next(read, None)
    if header is None:
        raise DataError(f"{path}: expected a table with a header line, found an empty file")
    names = [_text.trimmed(name) for name in header.cells]
    image_at = _column(path, names, keys.img, "img_key")
    caption_at = _column(path, names, keys.caption, "caption_key")
    negatives_at = _hard_negatives_column(path, names, options)
    note_others(path, names, keys.caption, names[caption_at], problems)
    table.image_at = image_at
    lone: list[Row] = []
    for row in read:
        if _is_empty(row.cells):
            continue
        where = f"{path} row {row.number - skipped}"
        lone += [row] * row.lone_quote
        if row.wrong is not None:
            yield where, BadItem(where, row.wrong.reason), "", []
        elif len(row.cells) != len(names):
            reason = f"expected {len(names)} columns as in the header, found {len(row.cells)}"
            yield where, BadItem(where, reason), "", []
        else:
            cell = "" if negatives_at is None else row.cells[negatives_at]
            yield where, row.cells[image_at], row.cells[caption_at], hard_negatives.in_cell(cell)
    if lone:
        first = f"row {lone[0].number - skipped}, line {lone[0].line}"
        more = f", and {len(lone) - 1} more" if len(lone) > 1 else ""
        problems.note(
            f"{path}: a quote that does not close its cell is taken as text ({first}{more}); "
            "quoting=none takes all quotes as text, quoting=rfc4180 none",
            warn=True,
        )


def _is_empty(cells: list[str]) -> bool:
    """Whether a row holds nothing: a blank line, or separators alone as spreadsheets write them."""
    return not cells or (_text.is_blank(cells[0]) and all(map(_text.is_blank, cells)))


def _separator(path: str, default: str, keys: Keys, options: Options) -> tuple[str, int]:
    """The separator, and the number of lines before the header that state it."""
    first = next(lines(path, "a table"), "")
    stated = _STATED.fullmatch(first)
    given = options.separator
    if given is not None:
        given = _NAMED_SEPARATORS.get(given, given)
        if len(given) != 1:
            raise DataError(f"{path}: separator: expected one character, found {show(given)}")
        return given, int(stated is not None)
    if stated is not None:
        return stated[1], 1
    if not keys.are_in(_split(first, default)):
        for other in _SEPARATORS:
            if keys.are_in(_split(first, other)):
                return other, 0
    return default, 0


def _split(line: str, separator: str) -> list[str]:
    return [_text.trimmed(cell.strip('"')) for cell in _text.trimmed(line).split(separator)]


def _column(path: str, names: list[str], wanted: Sequence[str], option: str) -> int:
    there = ", ".join(show(name, 40) for name in names[:12]) or "none"
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{path}: expected one column {name!r}, found several: {there}")
        if name in names:
            return names.index(name)
    hint = f"name it with ;{option}=COLUMN"
    if len(names) == 1 and any(mark in names[0] for mark in "\t,;|"):
        hint = "is the separator another one? ;separator=tab, comma or semicolon"
    shown = repr(wanted[0]) if len(wanted) == 1 else " or ".join(wanted)
    raise DataError(f"{path}: expected a column {shown}, found {there}; {hint}")


def _hard_negatives_column(path: str, names: list[str], options: Options) -> int | None:
    """Where hard negatives stand; None where they do not and nobody named their column."""
    wanted = hard_negatives.keys_of(options.hard_negative_key)
    if not wanted or (options.hard_negative_key is None and not set(wanted) & set(names)):
        return None
    return _column(path, names, wanted, "hard_negative_key")


def note_others(
    path: str, names: Iterable[str], known: Sequence[str], chosen: str, problems: BadItems
) -> None:
    """Say which column the captions are read from where more than one of those known is there."""
    others = [name for name in known if name in names and name != chosen]
    if others:
        problems.note(
            f"{path}: captions are read from {chosen!r}, not from {', '.join(others)}; "
            "caption_key= names another one"
        )
