"""How many batches an epoch has when duplicates are kept apart: counted without making any."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import cached_property

from csparc.data.loading.assembly import Assembly
from csparc.data.loading.batches import Work
from csparc.data.loading.chunks import CHUNK, Chunk
from csparc.data.loading.duplicates import Content, Item
from csparc.data.loading.prefetch import ordered_map


class Plan:
    """Counts the batches of epochs, each a function of (seed, epoch) and what the pairs hold.

    Every picture is decoded once, for all epochs, and 16 bytes of it are kept; an epoch then costs
    its captions' tokens.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._counts: dict[int, int] = {}

    def batches(self, epoch: int) -> int:
        """Batches of an epoch, from its start.

        Raises
        ------
        DataError
            Too many pictures are bad.
        """
        if epoch not in self._counts:
            self._counts[epoch] = self._count(epoch)
        return self._counts[epoch]

    def _count(self, epoch: int) -> int:
        work = replace(self._work, epochs=epoch + 1)
        chunks = map(self._identify, work.chunks(epoch, 0, []))
        made = Assembly(work, lambda *_: {}).run(chunks, epoch)
        return sum(one.batch is not None for one in made)

    def _identify(self, chunk: Chunk) -> Chunk:
        """Items without pixels, which nothing but `Filling` looks at."""
        for drawn in chunk.drawn:
            key = self._pictures[drawn.index]
            if isinstance(key, Exception):
                chunk.items.append(key)
                continue
            caption = self._work.caption_key(drawn)
            chunk.items.append(Item(drawn, None, Content(caption, key)))
        return chunk

    @cached_property
    def _pictures(self) -> list[bytes | Exception]:
        """Every picture's key, or why it has none."""
        count, threads = len(self._work.dataset), self._work.threads
        parts = (range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))
        with closing(ordered_map(self._keys, parts, threads, 2 * threads)) as found:
            return [key for part in found for key in part]

    def _keys(self, part: range) -> list[bytes | Exception]:
        return [self._key(index) for index in part]

    def _key(self, index: int) -> bytes | Exception:
        try:
            return self._work.inputs.key(index)
        except Exception as error:  # raised in its turn, if the picture's turn comes
            return error
