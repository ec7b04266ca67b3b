"""Captions that do not describe a picture and nearly do: which columns hold them, and how many."""

from __future__ import annotations

import ast
import re
import warnings

from csparc import _text

NAME = "hard_negative"
KEYS = (NAME, "neg_caption")
"""Columns and keys that are looked for where none is named; the second is that of NegCLIP's lists
(arXiv 2210.01936)."""
FIELD = f"{NAME}.txt"
"""The member of a shard's sample, and the ending of a text beside a picture."""
NONE = "none"
"""The name of a column that says: read none."""

_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ENTRY = re.compile(_STRING, re.S)
_LIST = re.compile(rf"\[\s*(?:(?:{_STRING})\s*(?:,\s*(?:{_STRING})\s*)*,?\s*)?\]", re.S)


def keys_of(named: str | None) -> tuple[str, ...]:
    """The keys to look for, where a person named one or did not."""
    if named is None:
        return KEYS
    return () if named == NONE else (named,)


def in_cell(cell: str) -> list[object]:
    """The texts in a cell of a table: one, none where it is empty, or several where it is a list of
    quoted texts, as a data frame writes it: ``['a red dog', "a dog's hat"]``."""
    text = _text.trimmed(cell)
    if not _LIST.fullmatch(text):
        return [] if _text.is_blank(cell) else [cell]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a backslash that begins no escape
        try:
            return in_record([ast.literal_eval(entry) for entry in _ENTRY.findall(text)])
        except (SyntaxError, ValueError):  # an escape that is none: taken as it stands
            return [cell]


def as_cell(texts: list[str]) -> str:
    """The cell that `in_cell` reads as these texts."""
    return repr(texts) if texts else ""


def in_record(value: object) -> list[object]:
    """The texts in a value of JSON: a text, a list of them, or null."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if one is not None and not _blank(one)]


def _blank(value: object) -> bool:
    return isinstance(value, str) and _text.is_blank(value)
