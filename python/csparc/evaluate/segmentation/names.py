"""The names that pixels are compared with, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc import _text
from csparc._repr import fields_line
from csparc._text import show
from csparc.data.readers.text_files import lines
from csparc.data.readers.voc import CONTEXT_CLASSES
from csparc.errors import DataError
from csparc.evaluate.encode import encode_texts

TEXTS = ("pooled", "token")
"""The vector of a prompt: that of the whole text (the paper), or the mean of its tokens' vectors,
which the local loss compares patches with."""


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


def text_vectors(
    model: Any, tokenizer: Any, texts: Sequence[str], template: str, form: str, batch_size: int
) -> np.ndarray:
    """Unit vectors [M, D] of ``template`` with each text in the place of its braces."""
    if template.count("{}") != 1:
        raise ValueError(f"template: expected a text with one {{}}, found {show(template, 60)}")

    def of_ids(ids: np.ndarray) -> np.ndarray:
        valid = tokenizer.valid_mask(ids)
        whole, tokens = model.encode_text(ids, return_tokens=True, text_mask=valid)
        if form == "token":
            mask = np.asarray(tokenizer.loss_mask(ids), dtype=bool)[:, :, None]
            whole = (tokens * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
        return unit(whole)

    prompts = [template.replace("{}", text) for text in texts]
    return np.concatenate(encode_texts(prompts, tokenizer, of_ids, batch_size))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
