"""The names of classes, in the files by which data sets of classes are published.

=========================  ======================================================================
``{"n01440764": "tench"}``  JSON, a folder's name -> the class's name (``classnames.json``)
``{"0": ["n01440764", "tench"]}``  JSON of ``imagenet_class_index.json``: number, folder, name
``["tench", ...]``          JSON, names in the order of the classes
``n01440764 tench, Tinca``  text, a class a line (``LOC_synset_mapping.txt``, ``words.txt``); the
                            name is what stands before the first comma
``tench``                   text, a name a line in the order of the classes
=========================  ======================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from csparc import _text
from csparc._json import read_json
from csparc._repr import fields_line
from csparc._text import show
from csparc.data.readers.text_files import lines
from csparc.errors import DataError

KIND = "names of classes"
_WNID = re.compile(r"n\d{8}")
_WNID_LINE = re.compile(r"(n\d{8})\s+(.+)")


@dataclass(frozen=True)
class ClassNames:
    """The classes of a file in their order: ``keys``, where the file has them, and ``names``."""

    path: str
    keys: tuple[str, ...] | None
    names: tuple[str, ...]

    __repr__ = fields_line

    def numbers(self, folders: Sequence[str]) -> list[int]:
        """The class of each folder: by its key, by its number where all folders are numbers, or by
        its place where the file has no keys and there are as many folders as classes.

        Raises
        ------
        DataError
            A folder that is no class of the file.
        """
        if self.keys is not None and all(folder in self.keys for folder in folders):
            return [self.keys.index(folder) for folder in folders]
        if all(folder.isascii() and folder.isdigit() for folder in folders):
            numbers = [int(folder) for folder in folders]
            if max(numbers) < len(self.names):
                return numbers
        elif self.keys is None and len(folders) == len(self.names):
            return list(range(len(folders)))
        wrong = next((name for name in folders if name not in (self.keys or ())), folders[0])
        raise DataError(
            f"{self.path}: expected a class for each folder of pictures, found "
            f"{len(self.names)} classes and none for {show(wrong, 40)}"
        )


def read_class_names(path: str) -> ClassNames:
    """The classes of a file in one of the layouts above; wnids are put in their own order, which
    is that of ImageNet's class numbers.

    Raises
    ------
    DataError
        Broken file, no classes, an empty name, a key twice.
    """
    found = _json(path) if path.lower().endswith(".json") else _lines(path)
    keys = [key for key, _ in found if key is not None]
    names = [_text.one_line(name) for _, name in found]
    if not names:
        raise DataError(f"{path}: expected {KIND}, found none")
    if "" in names:
        raise DataError(f"{path}: expected {KIND}, found an empty one, number {names.index('')}")
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise DataError(f"{path}: expected each class once, found {show(twice[0], 40)} twice")
    if keys and all(_WNID.fullmatch(key) for key in keys):
        order = sorted(range(len(keys)), key=keys.__getitem__)
        keys, names = [keys[i] for i in order], [names[i] for i in order]
    return ClassNames(path, tuple(keys) if keys else None, tuple(names))


def _json(path: str) -> list[tuple[str | None, str]]:
    record = read_json(path, KIND, unique_keys=True)
    if not isinstance(record, (dict, list)):
        raise DataError(f"{path}: expected an object or a list of {KIND}, found {show(record, 40)}")
    entries = record.items() if isinstance(record, dict) else ((None, one) for one in record)
    found: list[tuple[str | None, str]] = []
    for number, (key, value) in enumerate(entries):
        pair = isinstance(value, list) and len(value) == 2
        key, name = value if pair and (key is None or key == str(number)) else (key, value)
        if not isinstance(name, str) or not (key is None or isinstance(key, str)):
            raise DataError(f"{path}: expected {KIND}, found {show(value, 40)} for number {number}")
        found.append((key, name))
    return found


def _lines(path: str) -> list[tuple[str | None, str]]:
    texts = [_text.trimmed(line) for line in lines(path, KIND)]
    texts = [text for text in texts if text]
    matches = [_WNID_LINE.fullmatch(text) for text in texts]
    if texts and all(matches):
        return [(found[1], found[2].split(",")[0]) for found in matches if found is not None]
    return [(None, text) for text in texts]


def looks_like_wnids(folders: Sequence[str]) -> bool:
    """Whether folders are called as ImageNet calls its classes, which no text says."""
    return any(_WNID.fullmatch(folder) for folder in folders)
