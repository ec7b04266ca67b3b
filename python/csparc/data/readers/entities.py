"""Flickr30k Entities: sentences with marked phrases, and boxes of what they name.

::

    Sentences/NAME.txt      [/EN#1/people A man] in [/EN#2/clothing a red shirt] ...
    Annotations/NAME.xml    object: name (one or more numbers), bndbox | nobndbox | scene
    SPLIT.txt               names, a line each; without a split all of Sentences
"""

from __future__ import annotations

import os
import re

from csparc import _text
from csparc._text import show
from csparc._whereabouts import absent
from csparc.data.caption_text import caption_lines
from csparc.data.gather import Gather
from csparc.data.naming import COLOUR_WORDS
from csparc.data.options import Options
from csparc.data.picture_files import PictureFiles
from csparc.data.readers.boxes import read_boxes
from csparc.data.readers.paths import Guard
from csparc.data.readers.text_files import lines
from csparc.data.regions import Mention, Region, Regions
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError

_PHRASE = re.compile(r"\[/EN#(\d+)((?:/[^\s/\]]+)+) ([^\]]*)\]")
_WORD = re.compile(r"\w+")
_PICTURES = ("jpg", "jpeg", "png")
_LARGEST = 1 << 20


def open_entities(spec: str, folder: str, root: str, split: str | None, options: Options):
    """Read the sentences of a split; pictures lie in ``folder`` as ``NAME.jpg``.

    Raises
    ------
    DataError
        No such folder or split, nothing left, or too many bad pictures.
    """
    for place in ("Sentences", "Annotations"):
        if not os.path.isdir(os.path.join(root, place)):
            found = absent(os.path.join(root, place), "no such folder")
            raise DataError(f"{root}: expected a folder with {place}, found {found}")
    guard, inside = Guard(folder, options.allow_outside, "the folder of the pictures"), Guard(root)
    gather = Gather(options)
    marked: dict[str, tuple[str, list[list[tuple[int, int, int, str]]]]] = {}
    for where, name in _names(root, split):
        try:
            picture = _picture(guard, name, where)
            path = inside.join(f"Sentences/{name}.txt", where)
            sentences = _sentences(inside.check(path, f"Sentences/{name}.txt"), where)
        except BadItem as bad:
            gather.reject(bad)
            continue
        kept = sentences[: options.max_captions]
        gather.add(picture, [text for text, _ in kept], where)
        marked[picture] = (name, [phrases for _, phrases in kept])
    found = gather.finish(root)
    return Entities(spec, guard, found, gather.problems, options.max_pixels, inside, marked)


def _names(root: str, split: str | None) -> list[tuple[str, str]]:
    """(where it stands, name) of each picture."""
    if split is None:
        files = sorted(os.listdir(os.path.join(root, "Sentences")))
        return [(f"Sentences/{file}", file[:-4]) for file in files if file.endswith(".txt")]
    path = os.path.join(root, f"{split}.txt")
    names = enumerate(lines(path, "a list of pictures"), 1)
    return [(f"{path} line {number}", line.strip()) for number, line in names if line.strip()]


def _picture(guard: Guard, name: str, where: str) -> str:
    paths = [guard.join(f"{name}.{ending}", where) for ending in _PICTURES]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is None:
        raise BadItem(where, f"expected {show(name, 60)}.jpg in {guard.root}, found no such file")
    return there


def _sentences(path: str, where: str) -> list[tuple[str, list[tuple[int, int, int, str]]]]:
    """Each sentence without its marks, and (start, stop, number, kind) of its phrases."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise BadItem(where, f"cannot be read: {error.strerror or error}") from error
    return [_unmarked(_text.one_line(line)) for line in caption_lines(content, where)]


def _unmarked(line: str) -> tuple[str, list[tuple[int, int, int, str]]]:
    text, phrases, at = "", [], 0
    for match in _PHRASE.finditer(line):
        text += line[at : match.start()]
        number, kinds, phrase = match.groups()
        phrases.append((len(text), len(text) + len(phrase), int(number), kinds.split("/")[1]))
        text, at = text + phrase, match.end()
    return text + line[at:], phrases


class Entities(PictureFiles):
    """Pictures whose captions have marked phrases, with boxes."""

    def __init__(
        self, spec: str, guard: Guard, found: dict[str, list[str]], problems: BadItems,
        max_pixels: int, root: Guard,
        marked: dict[str, tuple[str, list[list[tuple[int, int, int, str]]]]],
    ) -> None:  # fmt: skip
        super().__init__(spec, guard, found, problems, max_pixels)
        self._root, self._marked = root, marked

    @property
    def has_regions(self) -> bool:
        """True: phrases have boxes."""
        return True

    def regions(self, index: int) -> Regions:
        """The boxes, and of each phrase that has some: PHRASE, its kind (such as people), its last
        word as NOUN, and its words for colours as COLOUR."""
        name, phrases = self._marked[self.path(index)]
        file = f"Annotations/{name}.xml"
        size, objects = read_boxes(self._root.check(self._root.join(file, file), file))
        boxes = [(names, box) for names, box in objects if box is not None]
        parts = tuple(Region(names[0], box) for names, box in boxes)
        mentions = []
        for caption, (text, own) in enumerate(zip(self.captions(index), phrases)):
            for start, stop, number, kind in own:
                regions = tuple(k for k, (names, _) in enumerate(boxes) if str(number) in names)
                if regions:
                    mentions += _of_phrase(caption, text, start, stop, kind, regions)
        return Regions(size, parts, tuple(mentions))


def _of_phrase(
    caption: int, text: str, start: int, stop: int, kind: str, regions: tuple[int, ...]
) -> list[Mention]:
    found = [Mention(caption, start, stop, ("PHRASE", kind), regions)]
    words = [(start + m.start(), start + m.end()) for m in _WORD.finditer(text[start:stop])]
    if words:
        found.append(Mention(caption, *words[-1], ("NOUN",), regions))
    for span in words[:-1]:
        if text[slice(*span)].lower() in COLOUR_WORDS:
            found.append(Mention(caption, *span, ("ADJ", "COLOUR"), regions))
    return found
