"""The data set whose pictures are files."""

from __future__ import annotations

import os

import numpy as np

from csparc.data import images
from csparc.data.dataset import Dataset
from csparc.data.readers.paths import Guard, printable
from csparc.data.report import BadItems
from csparc.data.source import Source


class PictureFiles(Dataset):
    """Pictures that are files on disk.

    Parameters
    ----------
    spec : str
        What it was opened from.
    guard : Guard
        Knows the data folder; judges each file when it is read.
    found : dict
        Absolute path -> captions.
    problems : BadItems
        What was left out while reading.
    max_pixels : int
        Pictures with more are refused before they are decoded.
    hard_negatives : dict, optional
        Absolute path -> hard negatives, of those that have some.
    """

    def __init__(
        self,
        spec: str,
        guard: Guard,
        found: dict[str, list[str]],
        problems: BadItems,
        max_pixels: int = images.MAX_PIXELS,
        hard_negatives: dict[str, list[str]] | None = None,
    ) -> None:
        self.spec = spec
        self.problems = problems
        self.max_pixels = max_pixels
        self.guard = guard
        self._paths = list(found)
        self._captions = list(found.values())
        self._negatives = {} if hard_negatives is None else hard_negatives

    def __len__(self) -> int:
        return len(self._paths)

    def captions(self, index: int) -> list[str]:
        return self._captions[index]

    @property
    def has_hard_negatives(self) -> bool:
        return any(path in self._negatives for path in self._paths)

    def hard_negatives(self, index: int) -> list[str]:
        return self._negatives.get(self._paths[index], [])

    @property
    def root(self) -> str:
        """The data folder, an absolute path."""
        return self.guard.root

    @property
    def allow_outside(self) -> bool:
        """Whether paths that leave the data folder are followed."""
        return self.guard.allow_outside

    def path(self, index: int) -> str:
        """The file of picture `index`."""
        return self._paths[index]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of picture `index`, by its header."""
        name = self.name(index)
        return images.size_of(self.guard.check(self._paths[index], name), name)

    def relative_path(self, index: int) -> str:
        """The file of picture `index`, seen from the data folder."""
        return os.path.relpath(self._paths[index], self.guard.root)

    def name(self, index: int) -> str:
        return printable(self.relative_path(index))

    def content(self, index: int) -> bytes:
        """The file of picture `index`, as it is.

        Raises
        ------
        BadItem
            When it is missing, no regular file, too large, or outside by a link.
        """
        return images.content_of(self.source(index).path, self.name(index))

    def source(self, index: int) -> Source:
        return Source(self.guard.check(self._paths[index], self.name(index)))

    def load(self, index: int) -> np.ndarray:
        return images.read(self.content(index), self.name(index), self.max_pixels)
