"""One file with the captions of a folder of pictures, in the layouts in common use.

===================  =============================================================================
``.jsonl``           an object a line: a path (file_name, filepath, filename or image) and a
                     caption (text, title, caption: text or a list; captions: a list); hard
                     negatives (hard_negative, neg_caption: text or a list), where there are some
``.csv``, ``.tsv``   a header with columns of the same names; read as `table.pairs` does
``.txt``, ``.token`` lines ``NAME<TAB>CAPTION``, ``NAME,CAPTION`` (split after the picture's
                     suffix, so captions may hold commas) or ``NAME| NUMBER| CAPTION``; a ``#0``
                     after the name and a first line without a picture's suffix are dropped
===================  =============================================================================
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator

from csparc import _text
from csparc._json import parse_json
from csparc._text import show
from csparc.data.gather import Gather
from csparc.data.images import SUFFIXES
from csparc.data.options import Options
from csparc.data.readers import hard_negatives, table
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import lines, refuse_repeated
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

# Looked for in a folder, in no order: two of them at once are an error.
NAMES = tuple(
    f"{stem}{suffix}"
    for stem in ("captions", "metadata", "results")
    for suffix in (".txt", ".csv", ".tsv", ".jsonl", ".token")
)

_PATH_KEYS = ("filepath", "file_name", "filename", "image", "image_name")
_CAPTION_KEYS = ("title", "text", "caption", "captions", "comment")

_SUFFIX = "|".join(suffix[1:] for suffix in sorted(SUFFIXES))
_LINE = re.compile(rf"(?P<name>.+?\.(?:{_SUFFIX}))(?:#\d+)?\s*(?P<mark>[\t,|])(?P<rest>.*)", re.I)
_NUMBER = re.compile(r"\s*\d+\s*\|?")


def read_captions(path: str, guard: Guard, gather: Gather, options: Options) -> None:
    """Read the captions file `path` into `gather`; its paths are relative to the guard's folder.

    Raises
    ------
    DataError
        Broken file, or one whose layout is none of the above.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".jsonl":
        options.refuse(("separator", "quoting"), f"{path} is no table of columns")
        entries = _json_lines(path, options, gather.problems)
    elif suffix in (".csv", ".tsv") and not _is_piped(path):
        entries = _table(path, "\t" if suffix == ".tsv" else ",", options, gather.problems)
    else:
        columns = ("img_key", "caption_key", "separator", "quoting", "hard_negative_key")
        options.refuse(columns, f"{path} has no named columns")
        entries = _text_lines(path, gather.problems)
    for where, name, captions, negatives in entries:
        try:
            if isinstance(name, BadItem):
                raise name
            picture = guard.join(name, where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        gather.add(picture, captions, where)
        gather.add_hard_negatives(picture, negatives, where)


_Entries = Iterator[tuple[str, object, list[object], list[object]]]
"""(where, name, captions, hard negatives); `name` is the BadItem of an entry that does not fit."""


def _text_lines(path: str, problems: BadItems) -> _Entries:
    """Of each line."""
    for number, line in enumerate(lines(path, "a captions file"), 1):
        text = line.rstrip("\r\n")
        where = f"{path} line {number}"
        match = _LINE.fullmatch(text)
        if match is not None:
            rest = match["rest"]
            if match["mark"] == "|":
                rest = _NUMBER.sub("", rest, count=1)
            yield where, match["name"], [_unquoted(_text.trimmed(rest))], []
        elif number == 1 and not _text.is_blank(text):
            if not any(key in text.lower() for key in (*_PATH_KEYS, *_CAPTION_KEYS)):
                problems.note(
                    f"{path}: the first line names no picture and is passed over: {show(text, 60)}"
                )
        elif not _text.is_blank(text):
            reason = f"expected a picture's name, a tab and a caption, found {show(text, 60)}"
            yield where, BadItem(where, reason), [], []


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text


def _is_piped(path: str) -> bool:
    """The Flickr30k ``results.csv``, whose columns are parted by ``|``."""
    return "|" in next(lines(path, "a captions file"), "")


def _table(path: str, separator: str, options: Options, problems: BadItems) -> _Entries:
    keys = table.Keys.of(options, _PATH_KEYS, _CAPTION_KEYS)
    for where, name, caption, negatives in table.pairs(path, separator, keys, options, problems):
        yield where, name, [caption], negatives


def _json_lines(path: str, options: Options, problems: BadItems) -> _Entries:
    chosen = None
    for number, line in enumerate(lines(path, "a captions file"), 1):
        if _text.is_blank(line):
            continue
        where = f"{path} line {number}"
        try:
            repeated: Counter[str] = Counter()
            record = parse_json(line, where, "a JSON object", error=BadItem, repeated=repeated)
        except BadItem as bad:
            yield where, bad, [], []
            continue
        if not isinstance(record, dict):
            reason = f"expected a JSON object, found {show(record, 40)}"
            yield where, BadItem(where, reason), [], []
            continue
        try:
            path_key = _pick(where, list(record), options.img_key, _PATH_KEYS)
            key = _pick(where, list(record), options.caption_key, _CAPTION_KEYS)
            known = hard_negatives.keys_of(options.hard_negative_key)
            negatives = [name for name in known if name in record][:1]
            refuse_repeated(where, repeated, path_key, key, *negatives)
        except DataError as error:
            yield where, BadItem(where, str(error).partition(": ")[2]), [], []
            continue
        if chosen is None and options.caption_key is None:
            chosen = key
            table.note_others(path, record, _CAPTION_KEYS, key, problems)
        caption = record[key]
        captions = caption if isinstance(caption, list) else [caption]
        nearly = [text for name in negatives for text in hard_negatives.in_record(record[name])]
        yield where, record[path_key], captions, nearly


def _pick(where: str, names: list[str], given: str | None, known: tuple[str, ...]) -> str:
    """The column to read: the one given, else the first known name that is there."""
    for name in (given,) if given else known:
        if name in names:
            return name
    there = ", ".join(show(name, 40) for name in names[:12]) or "none"
    wanted = repr(given) if given else " or ".join(known)
    raise DataError(f"{where}: expected a column {wanted}, found {there}")
