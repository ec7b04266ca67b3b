"""Captions that are told from wrong ones by their picture: SugarCrepe and Winoground."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from csparc._json import parse_json, read_json
from csparc._repr import fields_line
from csparc._text import is_blank, show
from csparc._whereabouts import absent
from csparc.data.caption_text import clean_caption
from csparc.data.images import MAX_PIXELS
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import lines, note_repeated, refuse_repeated
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

WINOGROUND = ("examples.jsonl", os.path.join("data", "examples.jsonl"))
"""Where its records are looked for, and its pictures in ``images`` beside them."""
_ENDINGS = ("", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Match:
    """A picture's file, a caption of it, one that is wrong, and in which way."""

    path: str
    caption: str
    negative: str
    kind: str

    __repr__ = fields_line


class MatchingPictures(PictureFiles):
    """Pictures, each with a caption and one hard negative; a file may be several pictures.

    ``paired``: pictures 2 i and 2 i + 1 are one example, each one's caption the other's negative.
    """

    def __init__(
        self,
        spec: str,
        guard: Guard,
        matches: list[Match],
        problems: BadItems,
        max_pixels: int = MAX_PIXELS,
        paired: bool = False,
    ) -> None:
        super().__init__(spec, guard, {}, problems, max_pixels)
        self._paths = [one.path for one in matches]
        self._captions = [[one.caption] for one in matches]
        self._matches = matches
        self.paired = paired

    @property
    def has_hard_negatives(self) -> bool:
        return True

    def hard_negatives(self, index: int) -> list[str]:
        return [self._matches[index].negative]

    def name(self, index: int) -> str:
        """The file, and where several pictures share it the number, too."""
        return f"{super().name(index)} ({index})"

    def kind(self, index: int) -> str:
        """In which way the negative of picture `index` is wrong."""
        return self._matches[index].kind


def open_sugarcrepe(spec: str, folder: str, path: str, options: Options) -> MatchingPictures:
    """Read a file of SugarCrepe, or a folder of them; the kind of an entry is its file's stem.

    A file is an object of entries, or a list: ``{"filename", "caption", "negative_caption"}``.

    Raises
    ------
    DataError
        Broken file, nothing left or too many bad entries.
    """
    files = [path]
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name.endswith(".json"))
        files = [os.path.join(path, name) for name in names]
    if not files:
        raise DataError(f"{path}: expected files of SugarCrepe (.json), found none")
    guard = Guard(folder, options.allow_outside, "the folder of the pictures")
    problems = BadItems(options.max_bad)
    matches: list[Match] = []
    total = 0
    for file in files:
        kind = os.path.splitext(os.path.basename(file))[0]
        for where, record in _entries(file, problems):
            total += 1
            try:
                matches.append(_match(guard, record, where, kind))
            except BadItem as bad:
                problems.add(bad)
    problems.check(total, path)
    return MatchingPictures(spec, guard, matches, problems, options.max_pixels)


def _entries(path: str, problems: BadItems) -> Iterator[tuple[str, object]]:
    repeated: Counter[str] = Counter()
    record = read_json(path, "a file of SugarCrepe", repeated=repeated)
    if not isinstance(record, (dict, list)):
        raise DataError(f"{path}: expected an object of entries, found {show(record, 40)}")
    note_repeated(path, repeated, problems)
    entries = record.items() if isinstance(record, dict) else enumerate(record)
    for key, entry in entries:
        yield f"{path} entry {key}", entry


def _match(guard: Guard, record: object, where: str, kind: str) -> Match:
    if not isinstance(record, dict):
        raise BadItem(where, f"expected an object with filename, found {show(record, 40)}")
    caption = clean_caption(record.get("caption"), where)
    negative = clean_caption(record.get("negative_caption"), f"{where} negative_caption")
    if caption == negative:
        raise BadItem(where, "the negative caption is the caption")
    return Match(guard.join(record.get("filename"), where), caption, negative, kind)


def open_winoground(spec: str, folder: str, options: Options) -> MatchingPictures:
    """Read Winoground as it is published: ``examples.jsonl``, and its pictures in ``images``.

    A line is ``{"id", "image_0", "image_1", "caption_0", "caption_1", "collapsed_tag"}``, pictures
    without an ending where they are ``.png``.

    Raises
    ------
    DataError
        No such folder or file, nothing left or too many bad examples.
    """
    if not os.path.isdir(folder):
        found = "a file" if os.path.isfile(folder) else absent(folder, "no such folder")
        raise DataError(f"{folder}: expected the folder of Winoground, found {found}")
    paths = [os.path.join(folder, name) for name in WINOGROUND]
    path = next(filter(os.path.isfile, paths), paths[0])
    images = os.path.join(os.path.dirname(path), "images")
    guard = Guard(images, options.allow_outside, "the folder of the pictures")
    problems = BadItems(options.max_bad)
    matches: list[Match] = []
    total = 0
    for number, line in enumerate(lines(path, "examples of Winoground"), 1):
        if is_blank(line):
            continue
        total += 1
        try:
            matches += _example(guard, line, f"{path} line {number}")
        except BadItem as bad:
            problems.add(bad)
    problems.check(total, path)
    return MatchingPictures(spec, guard, matches, problems, options.max_pixels, paired=True)


def _example(guard: Guard, line: str, where: str) -> list[Match]:
    """The two pictures of a line."""
    repeated: Counter[str] = Counter()
    record = parse_json(line, where, "a JSON object", error=BadItem, repeated=repeated)
    if not isinstance(record, dict):
        raise BadItem(where, f"expected a JSON object, found {show(record, 40)}")
    refuse_repeated(where, repeated, "image_0", "image_1", "caption_0", "caption_1")
    captions = [clean_caption(record.get(f"caption_{i}"), f"{where} caption_{i}") for i in (0, 1)]
    tag = record.get("collapsed_tag")
    kind = tag if isinstance(tag, str) and tag else "all"
    return [
        Match(_with_ending(guard.join(record.get(f"image_{i}"), where)), captions[i],
              captions[1 - i], kind)
        for i in (0, 1)
    ]  # fmt: skip


def _with_ending(path: str) -> str:
    return next((path + end for end in _ENDINGS if os.path.isfile(path + end)), f"{path}.png")
