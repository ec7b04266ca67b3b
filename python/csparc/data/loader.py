"""Batches for training and evaluation, decoded ahead of the step, the same bits every time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from csparc.data import cache, sampler
from csparc.data.cache import PictureCache
from csparc.data.dataset import Dataset
from csparc.data.prefetch import Prefetch, ordered_map
from csparc.data.report import BadItem, BadItems
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess
from csparc.errors import DataError

CAPTION_CHOICES = ("sample", "first")

# Pictures handed to a decoding thread at once: enough to make the hand-over cheap.
_CHUNK = 16


class Loader:
    """An iterator of batches; without `epochs` it never ends.

    Each batch is a dict: ``image`` float32 [B, 3, H, W], ``index`` int64 [B] (the pictures'
    numbers), and with a tokenizer ``text`` int32 [B, L], ``text_mask`` bool [B, L] (not padding)
    and ``loss_mask`` bool [B, L] (tokens that enter the local loss).

    The order of an epoch, the captions and the augmentations are functions of (seed, epoch,
    picture), so neither threads nor timing change a bit. A picture that cannot be decoded is
    skipped and the next in order takes its place. A batch never spans two epochs.

    Parameters
    ----------
    dataset : Dataset
    tokenizer : Tokenizer or None
        None leaves the text out.
    transform : Preprocess
    batch_size : int
    seed : int
    cursor : dict, optional
        Where to begin, as `cursor` gave it.
    threads : int, optional
        Decoding threads; the processors up to 4 by default.
    caption : {"sample", "first"}
        One of the picture's captions at random each epoch, or always the first.
    drop_last : bool
        Leave out the end of an epoch that does not fill a batch.
    shuffle : bool
        False keeps the order of the data set.
    epochs : int, optional
        Stop before this epoch.
    loss_specials : bool
        Whether the begin and end tokens enter ``loss_mask``.
    cache_bytes : int
        Memory for decoded pictures.
    on_bad : callable, optional
        Called with each new `BadItem`, when the batch after it is taken.

    Attributes
    ----------
    report : BadItems
        What was skipped so far, with what the data set left out itself.
    cursor : dict
        ``{"epoch", "position", "pictures"}`` of the batch that comes next.

    Raises
    ------
    DataError
        When the data cannot fill one batch, too many pictures are bad, or the cursor belongs to
        other data.
    """

    def __init__(
        self,
        dataset: Dataset,
        tokenizer: Tokenizer | None,
        transform: Preprocess,
        batch_size: int,
        seed: int = 0,
        cursor: dict | None = None,
        threads: int | None = None,
        caption: str = "sample",
        drop_last: bool = True,
        *,
        shuffle: bool = True,
        epochs: int | None = None,
        loss_specials: bool = False,
        cache_bytes: int = cache.DEFAULT_BYTES,
        on_bad: Callable[[BadItem], None] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, found {batch_size}")
        if caption not in CAPTION_CHOICES:
            raise ValueError(f"caption: expected {', '.join(CAPTION_CHOICES)}, found {caption!r}")
        if len(dataset) < (batch_size if drop_last else 1):
            raise DataError(
                f"{dataset.spec}: expected at least batch_size={batch_size} pictures, "
                f"found {len(dataset)}"
            )
        self._work = _Work(
            dataset,
            tokenizer,
            transform,
            batch_size,
            seed,
            threads or min(4, os.cpu_count() or 1),
            caption,
            drop_last,
            shuffle,
            epochs,
            loss_specials,
            PictureCache(dataset, transform, cache_bytes),
        )
        self._on_bad = on_bad
        self._cursor = _checked_cursor(cursor, dataset)
        self._prefetch: Prefetch | None = None
        self.report = BadItems(dataset.problems.max_bad)
        self.report.update(dataset.problems)

    @property
    def cursor(self) -> dict:
        return dict(self._cursor)

    def __len__(self) -> int:
        """Batches in an epoch when no picture is bad."""
        count, size = len(self._work.dataset), self._work.batch_size
        return count // size if self._work.drop_last else -(-count // size)

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        if self._prefetch is None:
            source = self._work.batches(self._cursor["epoch"], self._cursor["position"])
            self._prefetch = Prefetch(source, ahead=2)
        while True:
            made = next(self._prefetch)
            for bad in made.bad:
                if self.report.add(bad) and self._on_bad is not None:
                    self._on_bad(bad)
            self._cursor.update(epoch=made.epoch, position=made.position)
            if made.batch is not None:
                return made.batch

    def close(self) -> None:
        """Stop the threads and wait for them; going on afterwards begins at the cursor."""
        if self._prefetch is not None:
            self._prefetch.close()
            self._prefetch = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked_cursor(cursor: dict | None, dataset: Dataset) -> dict:
    cursor = {"epoch": 0, "position": 0, "pictures": len(dataset), **(cursor or {})}
    if cursor["pictures"] != len(dataset):
        raise DataError(
            f"{dataset.spec}: expected the {cursor['pictures']} pictures of the interrupted run, "
            f"found {len(dataset)}"
        )
    if cursor["epoch"] < 0 or not 0 <= cursor["position"] <= len(dataset):
        raise ValueError(f"cursor: expected epoch >= 0 and position 0..{len(dataset)}: {cursor}")
    return cursor


@dataclass
class _Chunk:
    """Consecutive pictures of an epoch: their places in its order, their numbers, their pixels."""

    epoch: int
    places: range
    indices: list[int]
    last: bool
    pictures: list = field(default_factory=list)


@dataclass
class _Made:
    """A batch (None at the end of an epoch), the cursor after it, the bad items on the way."""

    batch: dict[str, np.ndarray] | None
    epoch: int
    position: int
    bad: list[BadItem]


@dataclass
class _Work:
    """The background side: everything but the loader, which would otherwise keep itself alive."""

    dataset: Dataset
    tokenizer: Tokenizer | None
    transform: Preprocess
    batch_size: int
    seed: int
    threads: int
    caption: str
    drop_last: bool
    shuffle: bool
    epochs: int | None
    loss_specials: bool
    pictures: PictureCache

    def batches(self, epoch: int, position: int) -> Iterator[_Made]:
        """Batches from a place on, one after another."""
        ahead = self.threads + -(-self.batch_size // _CHUNK)
        chunks = ordered_map(self._load, self._chunks(epoch, position), self.threads, ahead)
        # Closed here: after an error, its traceback would keep the decoding threads alive.
        with closing(chunks):
            yield from self._assemble(chunks, epoch)

    def _assemble(self, chunks: Iterable[_Chunk], first_epoch: int) -> Iterator[_Made]:
        """Good pictures in order, cut into batches; bad ones noted on the way."""
        report = BadItems(self.dataset.problems.max_bad)
        report.update(self.dataset.problems)
        total = len(self.dataset) + len(report)
        bad: list[BadItem] = []
        kept: list[tuple[int, np.ndarray]] = []
        made = 0
        for chunk in chunks:
            for place, index, picture in zip(chunk.places, chunk.indices, chunk.pictures):
                if isinstance(picture, BadItem):
                    bad.append(picture)
                    if report.add(picture) and len(report) > report.max_bad * total:
                        report.check(total, self.dataset.spec)
                    continue
                if isinstance(picture, Exception):
                    raise picture
                kept.append((index, picture))
                if len(kept) == self.batch_size:
                    yield _Made(self._batch(chunk.epoch, kept), chunk.epoch, place + 1, bad)
                    kept, bad, made = [], [], made + 1
            if not chunk.last:
                continue
            if kept and not self.drop_last:
                yield _Made(self._batch(chunk.epoch, kept), chunk.epoch + 1, 0, bad)
                bad, made = [], made + 1
            if bad:
                yield _Made(None, chunk.epoch + 1, 0, bad)
            report.check(total, self.dataset.spec)
            if made == 0 and chunk.epoch > first_epoch:
                raise DataError(
                    f"{self.dataset.spec}: expected at least batch_size={self.batch_size} "
                    f"good pictures, found {len(kept)}; {report.summary(most=3)}"
                )
            kept, bad = [], []

    def _chunks(self, epoch: int, position: int) -> Iterator[_Chunk]:
        count = len(self.dataset)
        while self.epochs is None or epoch < self.epochs:
            order = sampler.order(self.seed, epoch, count) if self.shuffle else np.arange(count)
            if position >= count:
                yield _Chunk(epoch, range(0), [], True)
            for start in range(position, count, _CHUNK):
                end = min(start + _CHUNK, count)
                yield _Chunk(epoch, range(start, end), order[start:end].tolist(), end == count)
            epoch, position = epoch + 1, 0

    def _load(self, chunk: _Chunk) -> _Chunk:
        """Decode and augment the pictures of a chunk; one that fails becomes its exception."""
        for index in chunk.indices:
            try:
                picture = self.pictures.get(index)
            except Exception as error:
                # Bad pictures and real failures alike are dealt with in their turn.
                chunk.pictures.append(error)
                continue
            draws = sampler.PictureDraws(self.seed, chunk.epoch, index)
            chunk.pictures.append(self.transform.augment(picture, draws))
        return chunk

    def _batch(self, epoch: int, kept: list[tuple[int, np.ndarray]]) -> dict[str, np.ndarray]:
        indices = [index for index, _ in kept]
        batch = {
            "image": self.transform.normalize(np.stack([picture for _, picture in kept])),
            "index": np.array(indices, dtype=np.int64),
        }
        if self.tokenizer is not None:
            ids = self.tokenizer([self._caption(epoch, index) for index in indices])
            batch["text"] = ids
            batch["text_mask"] = self.tokenizer.valid_mask(ids)
            batch["loss_mask"] = self.tokenizer.loss_mask(ids, specials=self.loss_specials)
        return batch

    def _caption(self, epoch: int, index: int) -> str:
        captions = self.dataset.captions(index)
        if self.caption == "first" or len(captions) == 1:
            return captions[0]
        return captions[sampler.caption_choice(self.seed, epoch, index, len(captions))]
