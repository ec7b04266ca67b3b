"""Decoded pictures kept in memory, as many as fit; the results are the same with and without."""

from __future__ import annotations

import os
import threading

import numpy as np

from csparc.data.dataset import Dataset
from csparc.data.loading.disk_cache import DiskCache
from csparc.data.transforms import Preprocess

DEFAULT_BYTES = 1 << 30


class PictureCache:
    """Loads pictures through the part of a transform that no random draw changes, and keeps them.

    What is kept is 8-bit: resized pictures (12 KB at 64 pixels), or whole ones before a random
    crop. The first pictures that fit stay; nothing is ever thrown out, so a set larger than the
    budget still saves its share of the work in every epoch.

    Parameters
    ----------
    dataset : Dataset
    transform : Preprocess
    budget : int
        Bytes of pixels to keep at most; 0 keeps nothing.
    folder : path, optional
        Where pictures are kept beyond this run (`DiskCache`).

    Raises
    ------
    OSError
        The folder cannot be made or written to.
    """

    def __init__(
        self,
        dataset: Dataset,
        transform: Preprocess,
        budget: int = DEFAULT_BYTES,
        folder: str | os.PathLike | None = None,
    ) -> None:
        self._dataset = dataset
        self._transform = transform
        self._left = budget if dataset.cacheable else 0
        self._kept: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()
        on_disk = folder is not None and dataset.cacheable
        self._on_disk = DiskCache(folder, dataset, transform) if on_disk else None

    def get(self, index: int) -> np.ndarray:
        """``transform.fixed`` of picture `index`, uint8 [H, W, 3]; not to be written to.

        Raises
        ------
        BadItem
            When it cannot be decoded (every time it is asked for).
        """
        found = self._kept.get(index)
        if found is not None:
            return found
        if self._on_disk is not None:
            picture = self._on_disk.get(index)
        else:
            picture = self._transform.fixed(self._dataset.load(index))
        with self._lock:
            if index not in self._kept and picture.nbytes <= self._left:
                self._left -= picture.nbytes
                self._kept[index] = picture
        return picture

    def __len__(self) -> int:
        """Number of pictures kept."""
        return len(self._kept)
