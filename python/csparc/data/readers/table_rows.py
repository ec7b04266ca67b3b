"""The rows of a table, told from its lines: which quotes hold lines together, and which are text.

RFC 4180 lets a quoted cell hold separators and line ends. A caption that begins with a quote which
is never closed (``"Stop sign``) would so take in all lines up to the next quote, and the pictures
named there would be lost; of one that is closed before the cell ends (``"Stop" sign``) the quotes
would be lost. Such quotes are text, and a line that begins with one is a row.
"""

from __future__ import annotations

import contextlib
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from csparc import _text
from csparc._repr import fields_line
from csparc._text import reason_of
from csparc.data.images import is_picture
from csparc.data.readers.text_files import lines
from csparc.data.report import BadItem
from csparc.errors import DataError

QUOTING = ("auto", "rfc4180", "none")
"""``auto``: as in RFC 4180, but a quote that does not close its cell is text.
``rfc4180``: as there, whatever is lost. ``none``: every
quote is text, a line is a row."""

# A row fed to the csv reader after the last line: a quote never closed swallows it.
_END = "\ue000 end of table \ue000"

_LONE_QUOTE = "found a quote that does not close its cell"


@dataclass(slots=True)
class Row:
    """One row: its cells, its number (the header's is 0), the number of its first line."""

    cells: list[str]
    number: int
    line: int
    lone_quote: bool = False
    """A quote in it is taken as text."""
    wrong: BadItem | None = None
    """Why it cannot be split."""

    __repr__ = fields_line


class Rows:
    """An iterator of the rows of a table, the header first.

    Parameters
    ----------
    path : str
    separator : str
        One character.
    quoting : str
        One of `QUOTING`.

    Raises
    ------
    DataError
        Not text; with ``rfc4180`` also a quote never closed or a field longer than the csv module
        takes.
    """

    def __init__(self, path: str, separator: str, quoting: str = "auto") -> None:
        self._path, self._separator, self._quoting = path, separator, quoting
        self._source = lines(path, "a table")
        self._pushed: deque[str] = deque()
        self._taken: list[str] = []
        self._line = 1
        self._number = 0
        self._width = 0
        self.image_at = 0
        """The column of the picture's path: what looks like a row there is one."""

    def __iter__(self) -> Iterator[Row]:
        return self._plain() if self._quoting == "none" else self._quoted()

    def _plain(self) -> Iterator[Row]:
        for line in self._source:
            text = line.rstrip("\r\n")
            yield self._row(text.split(self._separator) if text else [])

    def _quoted(self) -> Iterator[Row]:
        reader = self._reader()
        while True:
            try:
                cells = next(reader)
            except csv.Error as error:
                long = "limit" in str(error)
                yield self._split_again(f"found a {reason_of(error)}" if long else _LONE_QUOTE)
                reader = self._reader()
                continue
            if cells == [_END, _END]:
                return
            if cells and _END in cells[-1]:
                yield self._split_again(_LONE_QUOTE)
            elif len(self._taken) > 1 and self._is_doubtful(cells):
                yield self._split_again("found a quoted cell that holds what look like rows")
            else:
                yield self._row(cells)
                continue
            reader = self._reader()

    def _reader(self) -> Iterator[list[str]]:
        # Strict: text after a quote that closes a cell is an error, and the quotes are not dropped.
        strict = self._quoting == "auto"
        return csv.reader(self._feed(), delimiter=self._separator, strict=strict)

    def _feed(self) -> Iterator[str]:
        """Lines for the csv reader, which takes no more of them than its next row needs."""
        while True:
            line = self._pushed.popleft() if self._pushed else next(self._source, None)
            if line is None:
                yield f"{_END}{self._separator}{_END}"
                return
            self._taken.append(line)
            yield line

    def _row(self, cells: list[str], lone: bool = False, wrong: BadItem | None = None) -> Row:
        row = Row(cells, self._number, self._line, lone, wrong)
        if self._number == 0:
            self._width = len(cells)
        self._number += 1
        self._line += max(1, len(self._taken))
        self._taken.clear()
        return row

    def _is_doubtful(self, cells: list[str]) -> bool:
        """Whether a cell of several lines holds rows of the table rather than a text."""
        if self._quoting != "auto":
            return False
        for cell in cells:
            _, *others = _text.lines_of(cell) or [""]
            if others and self._separator in cell and self._separator == "\t":
                return True
            if any(self._looks_like_a_row(line) for line in others):
                return True
        return False

    def _looks_like_a_row(self, line: str) -> bool:
        cells = line.split(self._separator)
        return len(cells) >= max(2, self._width) and is_picture(_text.trimmed(cells[self.image_at]))

    def _split_again(self, found: str) -> Row:
        """The first of the lines taken as a row of its own; the others are read once more."""
        number = self._number
        if self._quoting == "rfc4180":
            raise DataError(f"{self._path}: expected a table, {found}, in row {number}")
        first, *others = self._taken
        self._pushed.extendleft(reversed(others))
        self._taken = [first]
        cells = self._cells(first.rstrip("\r\n"))
        if '"' in first and (number == 0 or len(cells) == self._width):
            return self._row(cells, lone=True)
        where = f"{self._path} row {number}"
        reason = f"expected {self._width} cells, {found} (;quoting=none, if quotes are text)"
        return self._row(cells, wrong=BadItem(where, reason))

    def _cells(self, line: str) -> list[str]:
        """The cells of one line in which quotes are not as in RFC 4180."""
        cells = [_unquoted(cell) for cell in line.split(self._separator)]
        last = self._width - 1
        if 0 <= last < len(cells) - 1 and cells[last].startswith('"'):
            return [*cells[:last], self._separator.join(cells[last:])]
        if len(cells) == self._width:
            return cells
        with contextlib.suppress(csv.Error):
            return next(csv.reader([line], delimiter=self._separator))
        return cells


def _unquoted(text: str) -> str:
    """What a cell holds whose quotes enclose all of it; another one as it is."""
    bare = _text.trimmed(text)
    inner = bare[1:-1]
    if len(bare) > 1 and bare[0] == bare[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return text
