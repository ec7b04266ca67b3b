"""The names that pixels are compared with, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from csparc import _text
from csparc._repr import fields_line
from csparc.data.readers.text_files import lines
from csparc.data.readers.voc import CONTEXT_CLASSES
from csparc.errors import DataError


@dataclass(frozen=True)
class Names:
    """``texts`` [M] of names, and the class of each, from 0: those from ``classes`` on are the more
    names that stand for the background, one class each."""

    texts: tuple[str, ...]
    owners: np.ndarray
    classes: int

    __repr__ = fields_line

    @property
    def total(self) -> int:
        """Classes, the more names among them."""
        return int(self.owners[-1]) + 1

    def best(self, scores: np.ndarray) -> np.ndarray:
        """Of scores [M, ...] of texts the best of each class: [C, ...]."""
        if len(self.texts) == self.total:
            return scores
        starts = np.searchsorted(self.owners, np.arange(self.total))
        return np.maximum.reduceat(scores, starts, axis=0)


def names_of(classes: Sequence[str], synonyms: str = "", more: str = "") -> Names:
    """The names of all classes.

    Parameters
    ----------
    classes : sequence of str
    synonyms : str
        A file with a line a class, of names parted by commas, which replace the class's own; a
        class has the score of the best of its names.
    more : str
        Names for the background, parted by commas, or a file with one a line; by default those of
        Context's 59 that no class has, as CLIPpy's evaluation of VOC takes them.

    Raises
    ------
    DataError
        A file that is missing or does not have a line a class.
    """
    own = [[name] for name in classes]
    if synonyms:
        own = [_parted(line) for line in _lines(synonyms)]
        if len(own) != len(classes) or not all(own):
            raise DataError(
                f"{synonyms}: expected {len(classes)} lines, one for each class, found {len(own)}"
            )
    taken = {name.lower() for names in own for name in names}
    if more.endswith(".txt"):
        others = [name for line in _lines(more) for name in _parted(line)]
    else:
        others = _parted(more) or list(CONTEXT_CLASSES)
    groups = [*own, *([name] for name in others if name.lower() not in taken)]
    owners = np.repeat(np.arange(len(groups)), [len(names) for names in groups])
    return Names(tuple(name for names in groups for name in names), owners, len(own))


def _lines(path: str) -> list[str]:
    return [line for line in lines(path, "names of classes") if not _text.is_blank(line)]


def _parted(line: str) -> list[str]:
    return [name for name in map(_text.one_line, line.split(",")) if name]
