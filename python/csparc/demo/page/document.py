"""A page as one HTML file that loads nothing, and how it is written."""

from __future__ import annotations

from importlib.resources import files
from os import PathLike
from pathlib import Path

from csparc import _html
from csparc.checkpoint.folder import write_text_atomically


def document(title: str, body: str, *styles: str) -> str:
    """A whole page around its body (HTML), with the page's style and those of ``styles``."""
    sheets = (
        files("csparc.demo.page").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", *styles)
    )
    return _html.document(title, body, "".join(sheets))


def write_whole(text: str, path: str | PathLike) -> Path:
    """Write a file whole or not at all, and return its absolute path."""
    path = Path(path).absolute()
    write_text_atomically(path, text)
    return path
