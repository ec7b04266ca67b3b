"""Where the panels of an alignment picture lie, in inches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from csparc._repr import fields_line

_AREA = 1.7
_FEW_AREA = 4.0
_GAP = 0.14
_WORD = 0.24
_BELOW = 0.2
_WIDEST = {24: 9.4, 10**9: 12.0}
"""Of a figure of at most so many panels."""
_LEAST_WIDTH = 4.6
_NARROWEST = 0.75


@dataclass(frozen=True)
class Layout:
    """Panels in rows: sizes in inches, ``place`` gives a panel's upper left corner."""

    columns: int
    rows: int
    panel_width: float
    panel_height: float
    margin: float = _GAP

    __repr__ = fields_line

    @property
    def width(self) -> float:
        """Of the figure."""
        used = self.columns * (self.panel_width + _GAP) + 2 * self.margin - _GAP
        return max(_LEAST_WIDTH, used)

    @property
    def row_height(self) -> float:
        """A panel with its word and what stands below."""
        return self.panel_height + _WORD + _BELOW

    def place(self, number: int) -> tuple[float, float]:
        """Left edge, and distance of the upper edge below the first row's upper end."""
        row, column = divmod(number, self.columns)
        return self.margin + column * (self.panel_width + _GAP), row * self.row_height + _WORD


def lay_out(count: int, aspect: float, columns: int | None = None) -> Layout:
    """``count`` panels of pictures ``aspect`` times as high as wide, all of one area.

    A few are drawn larger. Without ``columns`` rows are as even as they come.
    """
    area = _FEW_AREA if count <= 3 else _AREA
    width = min(max(math.sqrt(area / aspect), _NARROWEST), 3.0)
    if columns is None:
        widest = next(inches for most, inches in _WIDEST.items() if count <= most)
        most = max(1, int((widest - _GAP) / (width + _GAP)))
        columns = -(-count // -(-count // most))
    return Layout(columns, -(-count // columns), width, width * aspect)
