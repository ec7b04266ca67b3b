"""The background side of a loader: an epoch's pictures decoded in threads, batches made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from csparc._repr import fields_line
from csparc.data.dataset import Dataset
from csparc.data.loading import sampler
from csparc.data.loading.assembly import Assembly
from csparc.data.loading.chunks import CHUNK, Chunk, Made
from csparc.data.loading.duplicates import Content, Drawn, Item, group_ids
from csparc.data.loading.inputs import Inputs
from csparc.data.loading.prefetch import ordered_map
from csparc.data.loading.words import BatchWords
from csparc.data.tokenizer import Tokenizer


@dataclass
class Work:
    """Everything but the loader itself, which this would otherwise keep alive."""

    dataset: Dataset
    tokenizer: Tokenizer | None
    batch_size: int
    seed: int
    threads: int
    caption: str
    drop_last: bool
    shuffle: bool
    epochs: int | None
    loss_specials: bool
    duplicates: str
    inputs: Inputs
    words: BatchWords | None
    """Where batches tell which word a token is, and which words a picture lacks."""
    hard_negatives: bool
    """Whether batches hold a hard negative of each picture that has some."""

    __repr__ = fields_line

    @property
    def picture_bytes(self) -> int:
        """Of what a batch holds of its pictures."""
        return self.inputs.picture_bytes(self.batch_size)

    def batches(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Made]:
        """Batches from a place on, one after another; pictures ``waiting`` come first."""
        ahead = self.threads + -(-self.batch_size // CHUNK)
        wanted = self.chunks(epoch, position, waiting)
        chunks = ordered_map(self._load, wanted, self.threads, ahead)
        # Closed here: after an error, its traceback would keep the decoding threads alive.
        with closing(chunks):
            yield from Assembly(self, self._batch).run(chunks, epoch)

    @property
    def places(self) -> int:
        """Pictures that an epoch draws."""
        return self.dataset.epoch_length if self.shuffle else len(self.dataset)

    def ticket(self, drawn: Drawn) -> int:
        """What a cursor knows a waiting picture by: its number, or where it may come several times
        its place in the epoch."""
        return drawn.place if self.repeats else drawn.index

    @property
    def repeats(self) -> bool:
        """Whether an epoch may draw a picture several times."""
        return self.shuffle and self.dataset.repeats

    def chunks(self, epoch: int, position: int, waiting: list[int]) -> Iterator[Chunk]:
        """What is to be loaded, in order: pictures ``waiting``, then those from a place on."""
        count = self.places
        while self.epochs is None or epoch < self.epochs:
            if self.shuffle:
                order, passes = self.dataset.epoch_order(self.seed, epoch)
            else:
                order, passes = np.arange(count), np.full(count, epoch)

            def drawn(places: Iterable[int], order=order, passes=passes) -> list[Drawn]:
                return [Drawn(int(order[n]), int(passes[n]), n) for n in places]

            if waiting:
                came = drawn(waiting) if self.repeats else [
                    Drawn(index, epoch, position) for index in waiting
                ]  # fmt: skip
                yield Chunk(epoch, came, position, waited=True)
                waiting = []
            if position >= count:
                yield Chunk(epoch, [], count, True)
            for start in range(position, count, CHUNK):
                end = min(start + CHUNK, count)
                yield Chunk(epoch, drawn(range(start, end)), end, end == count)
            epoch, position = epoch + 1, 0

    def _load(self, chunk: Chunk) -> Chunk:
        """Decode and augment the pictures of a chunk; one that fails becomes its exception."""
        for drawn in chunk.drawn:
            try:
                picture = self.inputs.get(drawn.index)
            except Exception as error:
                # Bad pictures and real failures alike are dealt with in their turn.
                chunk.items.append(error)
                continue
            draws = sampler.PictureDraws(self.seed, drawn.epoch, drawn.index)
            content = None
            if self.duplicates != "allow":
                content = Content(self.caption_key(drawn), self.inputs.key(drawn.index))
            chunk.items.append(Item(drawn, self.inputs.drawn(picture, draws), content))
        return chunk

    def caption_key(self, drawn: Drawn) -> bytes | None:
        """Equal for captions of equal tokens; None without text."""
        if self.tokenizer is None:
            return None
        return self.tokenizer([self._caption(drawn)])[0].tobytes()

    def _batch(self, items: list[Item]) -> dict[str, np.ndarray]:
        drawn = [item.drawn for item in items]
        batch = {
            **self.inputs.of_pictures([item.pixels for item in items]),
            "index": np.array([one.index for one in drawn], dtype=np.int64),
        }
        if self.tokenizer is not None:
            ids = self.tokenizer([self._caption(one) for one in drawn])
            batch["text"] = ids
            batch["text_mask"] = self.tokenizer.valid_mask(ids)
            batch["loss_mask"] = self.tokenizer.loss_mask(ids, specials=self.loss_specials)
            chosen = [(one.index, self._caption_number(one)) for one in drawn]
            batch |= self.inputs.of_captions(chosen, batch["text_mask"])
        if self.words is not None:
            batch |= self.words(ids, [self.dataset.captions(one.index) for one in drawn])
        if self.hard_negatives:
            batch |= self._hard_negatives(drawn, ids)
        if self.duplicates == "group":
            batch["group"] = group_ids([item.content for item in items])
        return batch

    def _hard_negatives(self, drawn: list[Drawn], captions: np.ndarray) -> dict[str, np.ndarray]:
        """One of each picture that has some, in the order of the batch. Where duplicates are looked
        for, one that is a caption of the batch is left out."""
        chosen = [
            (one.index, self._hard_negative_number(one))
            for one in drawn
            if self.dataset.hard_negatives(one.index)
        ]
        texts = [self.dataset.hard_negatives(index)[number] for index, number in chosen]
        ids = self.tokenizer(texts) if texts else captions[:0]
        if self.duplicates != "allow":
            said = {row.tobytes() for row in captions}
            kept = [row.tobytes() not in said for row in ids]
            ids, chosen = ids[kept], [one for one, keep in zip(chosen, kept) if keep]
        mask = self.tokenizer.valid_mask(ids)
        found = {"hard_negative": ids, "hard_negative_mask": mask}
        return found | self.inputs.of_hard_negatives(chosen, mask)

    def _hard_negative_number(self, drawn: Drawn) -> int:
        count = len(self.dataset.hard_negatives(drawn.index))
        if self.caption == "first":
            return 0
        return sampler.hard_negative_choice(self.seed, drawn.epoch, drawn.index, count)

    def _caption_number(self, drawn: Drawn) -> int:
        count = len(self.dataset.captions(drawn.index))
        if self.caption == "first" or count == 1:
            return 0
        return sampler.caption_choice(self.seed, drawn.epoch, drawn.index, count)

    def _caption(self, drawn: Drawn) -> str:
        return self.dataset.captions(drawn.index)[self._caption_number(drawn)]
