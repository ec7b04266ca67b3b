"""The background side of a loader: an epoch's pictures decoded in threads and cut into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from csparc.data import sampler
from csparc.data.cache import PictureCache
from csparc.data.dataset import Dataset
from csparc.data.duplicates import Filling, Item, content_of, group_ids
from csparc.data.prefetch import ordered_map
from csparc.data.report import BadItem, BadItems
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess
from csparc.errors import DataError

# Pictures handed to a decoding thread at once: enough to make the hand-over cheap.
CHUNK = 16


@dataclass
class Chunk:
    """Consecutive pictures of an epoch: their places in its order, their numbers, their items.

    A picture that cannot be decoded is its exception instead.
    """

    epoch: int
    places: Sequence[int]
    indices: list[int]
    last: bool = False
    waited: bool = False
    """They waited for a batch when the run was interrupted, and come first."""
    items: list[Item | Exception] = field(default_factory=list)


@dataclass
class Made:
    """A batch (None at the end of an epoch), the cursor after it, the bad items on the way."""

    batch: dict[str, np.ndarray] | None
    epoch: int
    position: int
    bad: list[BadItem]
    waiting: list[int]


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

    def batches(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Made]:
        """Batches from a place on, one after another; pictures ``waiting`` come first."""
        ahead = self.threads + -(-self.batch_size // CHUNK)
        wanted = self._chunks(epoch, position, waiting)
        chunks = ordered_map(self._load, wanted, self.threads, ahead)
        # Closed here: after an error, its traceback would keep the decoding threads alive.
        with closing(chunks):
            yield from self._assemble(chunks, epoch)

    def _assemble(self, chunks: Iterable[Chunk], first_epoch: int) -> Iterator[Made]:
        """Good pictures in order, cut into batches; bad ones noted on the way."""
        report = BadItems(self.dataset.problems.max_bad)
        report.update(self.dataset.problems)
        total = len(self.dataset) + len(report)
        filling = Filling(self.batch_size, self.duplicates == "avoid")
        bad: list[BadItem] = []
        made = 0
        for chunk in chunks:
            for place, item in zip(chunk.places, chunk.items):
                if isinstance(item, BadItem):
                    bad.append(item)
                    if report.add(item) and len(report) > report.max_bad * total:
                        report.check(total, self.dataset.spec)
                    continue
                if isinstance(item, Exception):
                    raise item
                if chunk.waited:
                    filling.waiting.append(item)
                    continue
                filling.add(item)
                for batch in self._taken(filling, chunk.epoch, place + 1, bad):
                    yield batch
                    made += 1
            if chunk.waited:
                filling.refill()
                yield from self._taken(filling, chunk.epoch, chunk.places[0], bad)
            if not chunk.last:
                continue
            while filling.batch and not self.drop_last:
                yield from self._taken(filling, chunk.epoch, len(self.dataset), bad, whole=False)
                made += 1
            if bad:
                yield Made(None, chunk.epoch + 1, 0, [*bad], [])
            report.check(total, self.dataset.spec)
            if made == 0 and chunk.epoch > first_epoch:
                raise self._nothing_made(filling, report)
            filling.clear()
            bad.clear()

    def _taken(
        self, filling: Filling, epoch: int, position: int, bad: list[BadItem], whole: bool = True
    ) -> Iterator[Made]:
        """The batch, if it is full or need not be ``whole``, and those that what waits fills."""
        while filling.full or (filling.batch and not whole):
            batch = self._batch(epoch, filling.take())
            waiting = [item.index for item in filling.waiting]
            ended = not whole and not waiting
            place = (epoch + 1, 0) if ended else (epoch, position)
            yield Made(batch, *place, [*bad], waiting)
            bad.clear()
            filling.refill()

    def _nothing_made(self, filling: Filling, report: BadItems) -> DataError:
        found = f"found {len(filling.batch)}; {report.summary(most=3)}"
        if not filling.waiting:
            return DataError(
                f"{self.dataset.spec}: expected at least batch_size={self.batch_size} good "
                f"pictures, {found}"
            )
        return DataError(
            f"{self.dataset.spec}: expected at least batch_size={self.batch_size} pairs of which "
            f"no two share caption or picture, found {len(filling.batch)} at most; choose a "
            "smaller batch, or another way with duplicates"
        )

    def _chunks(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Chunk]:
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
                content = content_of(self._tokens(chunk.epoch, index), picture)
            chunk.items.append(Item(index, self.transform.augment(picture, draws), content))
        return chunk

    def _tokens(self, epoch: int, index: int) -> np.ndarray | None:
        if self.tokenizer is None:
            return None
        return self.tokenizer([self._caption(epoch, index)])[0]

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
        if self.duplicates == "group":
            batch["group"] = group_ids([item.content for item in items])
        return batch

    def _caption(self, epoch: int, index: int) -> str:
        captions = self.dataset.captions(index)
        if self.caption == "first" or len(captions) == 1:
            return captions[0]
        return captions[sampler.caption_choice(self.seed, epoch, index, len(captions))]
