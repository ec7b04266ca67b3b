"""What a batch holds of its pairs for a model: pictures, or what its towers gave of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from csparc.data.dataset import Dataset
from csparc.data.loading.cache import PictureCache
from csparc.data.loading.duplicates import picture_key
from csparc.data.loading.sampler import PictureDraws
from csparc.data.rows import as_float32, laid_out
from csparc.data.transforms import Preprocess


class Inputs(Protocol):
    """Of the pictures of a data set."""

    def get(self, index: int) -> np.ndarray:
        """Picture `index` as it is before anything is drawn at random."""

    def key(self, index: int) -> bytes:
        """Equal for pictures of equal pixels."""

    def drawn(self, found: np.ndarray, draws: PictureDraws) -> np.ndarray:
        """What `get` gave, with the random changes of one epoch."""

    def of_pictures(self, drawn: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays of a batch."""

    def picture_bytes(self, batch_size: int) -> int:
        """Of the arrays of a batch."""

    def of_captions(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Arrays of a batch beside its ids, of (picture, number of its caption) and tokens [B,L]"""

    def of_hard_negatives(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The same of hard negatives."""


class PictureInputs:
    """``image`` float32 [B,3,H,W]: decoded, augmented and normalised."""

    def __init__(
        self,
        dataset: Dataset,
        transform: Preprocess,
        cache_bytes: int,
        cache_folder: str | os.PathLike | None,
    ) -> None:
        self._transform = transform
        self._pictures = PictureCache(dataset, transform, cache_bytes, cache_folder)

    def get(self, index: int) -> np.ndarray:
        return self._pictures.get(index)

    def key(self, index: int) -> bytes:
        return picture_key(self.get(index))

    def drawn(self, found: np.ndarray, draws: PictureDraws) -> np.ndarray:
        return self._transform.augment(found, draws)

    def of_pictures(self, drawn: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {"image": self._transform.normalize(np.stack(drawn))}

    def picture_bytes(self, batch_size: int) -> int:
        size = self._transform.height, self._transform.width
        return picture_bytes(batch_size, size)

    def of_captions(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        return {}

    def of_hard_negatives(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        return {}


class RowInputs:
    """``image_rows`` float32 [B,R,C], ``text_rows`` and ``hard_negative_rows`` [B,L + w,C], as
    `csparc.models.frozen` takes them; nothing is drawn at random."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def get(self, index: int) -> np.ndarray:
        return self._dataset.rows(index).image

    def key(self, index: int) -> bytes:
        return self._dataset.rows(index).picture_key

    def drawn(self, found: np.ndarray, draws: PictureDraws) -> np.ndarray:
        return found

    def of_pictures(self, drawn: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {"image_rows": as_float32(np.stack(drawn))}

    def picture_bytes(self, batch_size: int) -> int:
        return batch_size * self._dataset.rows(0).image.size * 4

    def of_captions(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        found = [(self._dataset.rows(index), number) for index, number in chosen]
        texts = [pair.captions[number] for pair, number in found]
        return {"text_rows": laid_out(texts, mask, found[0][0].behind)}

    def of_hard_negatives(
        self, chosen: Sequence[tuple[int, int]], mask: np.ndarray
    ) -> dict[str, np.ndarray]:
        found = [(self._dataset.rows(index), number) for index, number in chosen]
        texts = [pair.hard_negatives[number] for pair, number in found]
        behind = found[0][0].behind if found else 0
        return {"hard_negative_rows": laid_out(texts, mask, behind)}


def picture_bytes(batch_size: int, size: int | tuple[int, int]) -> int:
    """Of a float32 batch [B,3,H,W], square where ``size`` is one number."""
    high, wide = (size, size) if isinstance(size, int) else size
    return batch_size * 3 * high * wide * 4


def inputs_of(
    dataset: Dataset,
    transform: Preprocess,
    cache_bytes: int,
    cache_folder: str | os.PathLike | None = None,
) -> Inputs:
    """Those of a data set: by what it holds; pictures are kept as `PictureCache` says."""
    if dataset.has_rows:
        return RowInputs(dataset)
    return PictureInputs(dataset, transform, cache_bytes, cache_folder)
