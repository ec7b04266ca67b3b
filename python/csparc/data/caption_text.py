"""Captions as text: those of a file, and what may stand in one."""

from __future__ import annotations

from csparc import _text
from csparc._kinds import HEAD_BYTES, kind_of
from csparc._text import show
from csparc.data.report import BadItem


def caption_lines(content: bytes, where: str, form: str | None = None) -> list[str]:
    """The captions in a text: its lines that hold something, or with the form "whole" all of it.

    Raises
    ------
    BadItem
        Named `where`, when the file is no text, or in another encoding than
        `csparc._text.encoding_of` knows.
    """
    kind = kind_of(content[:HEAD_BYTES]) if content else None
    if kind is not None:
        raise BadItem(where, f"expected captions as text, found {kind}")
    try:
        text = _text.decoded(content)
    except UnicodeDecodeError as error:
        raise BadItem(where, "expected captions as UTF-8 text, found another encoding") from error
    captions = [text] if form == "whole" else _text.lines_of(text)
    return [caption for caption in captions if not _text.is_blank(caption)]


def clean_caption(caption: object, where: str) -> str:
    """A caption as one line (`csparc._text.one_line`).

    Raises
    ------
    BadItem
        Named `where`: not text, empty, NUL inside, or not encodable (a lone surrogate).
    """
    if not isinstance(caption, str):
        raise BadItem(where, f"expected a caption, found {show(caption)}")
    text = _text.one_line(caption)
    if _text.is_blank(text):
        raise BadItem(where, "the caption is empty")
    if "\0" in text:
        raise BadItem(where, "the caption holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        if any("\udc80" <= letter <= "\udcff" for letter in text):  # bytes that are no UTF-8
            reason = "expected a caption as UTF-8 text, found another encoding: save it as UTF-8"
        else:
            reason = "the caption holds half a surrogate pair"
        raise BadItem(where, reason) from error
    return text
