"""The background side of a loader: an epoch's pictures decoded in threads, batches made of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.data.dataset import Dataset
from csparc.data.loading import sampler
from csparc.data.loading.assembly import Assembly
from csparc.data.loading.cache import PictureCache
from csparc.data.loading.chunks import CHUNK, Chunk, Made
from csparc.data.loading.duplicates import Content, Item, group_ids, picture_key
from csparc.data.loading.prefetch import ordered_map
from csparc.data.loading.words import BatchWords
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess


def picture_bytes(batch_size: int, size: int | tuple[int, int]) -> int:
    """Of a float32 batch [B,3,H,W], square where ``size`` is one number."""
    high, wide = (size, size) if isinstance(size, int) else size
    return batch_size * 3 * high * wide * 4


@dataclass
class Work:
    """Everything but the loader itself, which this would otherwise keep alive."""

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
    duplicates: str
    pictures: PictureCache
    words: BatchWords | None
    """Where batches tell which word a token is, and which words a picture lacks."""
    hard_negatives: bool
    """Whether batches hold a hard negative of each picture that has some."""

    __repr__ = fields_line

    @property
    def picture_bytes(self) -> int:
        return picture_bytes(self.batch_size, self.transform.size)

    def batches(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Made]:
        """Batches from a place on, one after another; pictures ``waiting`` come first."""
        ahead = self.threads + -(-self.batch_size // CHUNK)
        wanted = self.chunks(epoch, position, waiting)
        chunks = ordered_map(self._load, wanted, self.threads, ahead)
        # Closed here: after an error, its traceback would keep the decoding threads alive.
        with closing(chunks):
            yield from Assembly(self, self._batch).run(chunks, epoch)

    def chunks(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Chunk]:
        """What is to be loaded, in order: pictures ``waiting``, then those from a place on."""
        count = len(self.dataset)
        if waiting:
            yield Chunk(epoch, [position] * len(waiting), waiting, waited=True)
        while self.epochs is None or epoch < self.epochs:
            order = sampler.order(self.seed, epoch, count) if self.shuffle else np.arange(count)
            if position >= count:
                yield Chunk(epoch, range(0), [], True)
            for start in range(position, count, CHUNK):
                end = min(start + CHUNK, count)
                yield Chunk(epoch, range(start, end), order[start:end].tolist(), end == count)
            epoch, position = epoch + 1, 0

    def _load(self, chunk: Chunk) -> Chunk:
        """Decode and augment the pictures of a chunk; one that fails becomes its exception."""
        for index in chunk.indices:
            try:
                picture = self.pictures.get(index)
            except Exception as error:
                # Bad pictures and real failures alike are dealt with in their turn.
                chunk.items.append(error)
                continue
            draws = sampler.PictureDraws(self.seed, chunk.epoch, index)
            content = None
            if self.duplicates != "allow":
                content = Content(self.caption_key(chunk.epoch, index), picture_key(picture))
            chunk.items.append(Item(index, self.transform.augment(picture, draws), content))
        return chunk

    def caption_key(self, epoch: int, index: int) -> bytes | None:
        """Equal for captions of equal tokens; None without text."""
        if self.tokenizer is None:
            return None
        return self.tokenizer([self._caption(epoch, index)])[0].tobytes()

    def _batch(self, epoch: int, items: list[Item]) -> dict[str, np.ndarray]:
        batch = {
            "image": self.transform.normalize(np.stack([item.pixels for item in items])),
            "index": np.array([item.index for item in items], dtype=np.int64),
        }
        if self.tokenizer is not None:
            ids = self.tokenizer([self._caption(epoch, item.index) for item in items])
            batch["text"] = ids
            batch["text_mask"] = self.tokenizer.valid_mask(ids)
            batch["loss_mask"] = self.tokenizer.loss_mask(ids, specials=self.loss_specials)
        if self.words is not None:
            batch |= self.words(ids, [self.dataset.captions(item.index) for item in items])
        if self.hard_negatives:
            batch |= self._hard_negatives(epoch, [item.index for item in items], ids)
        if self.duplicates == "group":
            batch["group"] = group_ids([item.content for item in items])
        return batch

    def _hard_negatives(
        self, epoch: int, indices: list[int], captions: np.ndarray
    ) -> dict[str, np.ndarray]:
        """One of each picture that has some, in the order of the batch. Where duplicates are looked
        for, one that is a caption of the batch is left out."""
        drawn = filter(None, (self._hard_negative(epoch, index) for index in indices))
        texts = list(drawn)
        ids = self.tokenizer(texts) if texts else captions[:0]
        if self.duplicates != "allow":
            said = {row.tobytes() for row in captions}
            ids = ids[[row.tobytes() not in said for row in ids]]
        return {"hard_negative": ids, "hard_negative_mask": self.tokenizer.valid_mask(ids)}

    def _hard_negative(self, epoch: int, index: int) -> str | None:
        texts = self.dataset.hard_negatives(index)
        if not texts:
            return None
        if self.caption == "first":
            return texts[0]
        return texts[sampler.hard_negative_choice(self.seed, epoch, index, len(texts))]

    def _caption(self, epoch: int, index: int) -> str:
        captions = self.dataset.captions(index)
        if self.caption == "first" or len(captions) == 1:
            return captions[0]
        return captions[sampler.caption_choice(self.seed, epoch, index, len(captions))]
