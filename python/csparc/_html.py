"""Small HTML tables and pictures for notebooks, and whole pages; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from csparc._version import __version__


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = (), title: str = "") -> str:
    """A table whose first column names its rows; ``head`` names the other columns."""
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    top = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in head)
    top = f"<thead><tr><td></td>{top}</tr></thead>" if head else ""
    body = "".join(_row(*row) for row in rows)
    return f"<table>{caption}{top}<tbody>{body}</tbody></table>"


def _row(name: object, *cells: object) -> str:
    values = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(str(name))}</th>{values}</tr>'


def document(title: str, body: str, style: str) -> str:
    """A page around its body and its style, which are HTML and CSS: one file that loads nothing,
    light or dark, narrow or wide."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · csparc</title><style>{style}</style></head>"
        f"<body>{body}<footer>csparc {__version__}. This file is complete: it loads nothing and "
        "can be sent as it is.</footer></body></html>\n"
    )


def paragraph(text: str) -> str:
    """A line of text."""
    return f"<p>{escape(text)}</p>"


def heat_map(values: np.ndarray, grid: tuple[int, int], name: str, width: int = 96) -> str:
    """The patches of one picture: the larger a value [P], the darker its cell of ``grid``."""
    rows, columns = grid
    largest = float(np.max(values, initial=0.0))
    cells = "".join(
        f'<rect x="{cell % columns}" y="{cell // columns}" width="1" height="1" '
        f'fill-opacity="{value / largest:.2f}"/>'
        for cell, value in enumerate(np.asarray(values, dtype=np.float64))
        if largest > 0 and value > 0.005 * largest
    )
    return (
        '<figure style="display:inline-block;margin:4px;text-align:center">'
        f'<svg viewBox="0 0 {columns} {rows}" width="{width}" height="{width * rows // columns}" '
        f'role="img" aria-label="{escape(name)}" fill="#0072b2" '
        f'style="outline:1px solid #8888">{cells}</svg>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
