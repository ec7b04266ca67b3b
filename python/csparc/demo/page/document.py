"""A page as one HTML file that loads nothing, and how it is written."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from os import PathLike
from pathlib import Path

from csparc._version import __version__
from csparc.checkpoint.folder import write_atomically


def document(title: str, body: str, *styles: str) -> str:
    """A whole page around its body (HTML), with the page's style and those of ``styles``."""
    sheets = (
        files("csparc.demo.page").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", *styles)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · csparc</title><style>{''.join(sheets)}</style></head>"
        f"<body>{body}<footer>csparc {__version__}. This file is complete: it loads nothing and "
        "can be sent as it is.</footer></body></html>\n"
    )


def write_whole(text: str, path: str | PathLike) -> Path:
    """Write a file whole or not at all, and return its absolute path."""
    path = Path(path).absolute()
    write_atomically(path, lambda file: file.write(text.encode()))
    return path
