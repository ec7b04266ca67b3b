"""Pictures in the order of an epoch, cut into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from csparc.data.loading.chunks import Batch, Chunk, Made
from csparc.data.loading.duplicates import Filling, Item
from csparc.data.loading.tally import Tallies
from csparc.data.report import BadItem
from csparc.errors import DataError

if TYPE_CHECKING:
    from csparc.data.loading.batches import Work

MakeBatch = Callable[[list[Item]], Batch]


class Assembly:
    """Cuts the good pictures of chunks into batches, in order; notes the bad ones on the way.

    Parameters
    ----------
    work : Work
    make : callable
        Turns the pictures of a batch into arrays.
    """

    def __init__(self, work: Work, make: MakeBatch) -> None:
        self._work = work
        self._make = make
        self._spec = work.dataset.spec
        self._tallies = Tallies(work.dataset)
        self._filling = Filling(work.batch_size, work.duplicates == "avoid")
        self._bad: list[tuple[int, BadItem]] = []
        self._made = 0

    def run(self, chunks: Iterable[Chunk], first_epoch: int) -> Iterator[Made]:
        """The batches of chunks; a chunk of the first epoch may begin in its middle."""
        for chunk in chunks:
            yield from self._waited(chunk) if chunk.waited else self._filled(chunk)
            if not chunk.last:
                continue
            yield from self._rest(chunk.epoch)
            self._tallies.check()
            if self._made == 0 and chunk.epoch > first_epoch:
                raise self._nothing_made()
            self._filling.clear()

    def _waited(self, chunk: Chunk) -> Iterator[Made]:
        self._filling.waiting += list(self._good(chunk))
        self._filling.refill()
        yield from self._taken(chunk.epoch, chunk.position)

    def _filled(self, chunk: Chunk) -> Iterator[Made]:
        for item in self._good(chunk):
            self._filling.add(item)
            yield from self._taken(chunk.epoch, item.drawn.place + 1)

    def _good(self, chunk: Chunk) -> Iterator[Item]:
        for drawn, item in zip(chunk.drawn, chunk.items):
            if isinstance(item, BadItem):
                self._bad.append((self._tallies.add(drawn.index, item), item))
            elif isinstance(item, Exception):
                raise item
            else:
                yield item

    def _taken(self, epoch: int, position: int, whole: bool = True) -> Iterator[Made]:
        """The batch, if it is full or need not be ``whole``, and those that what waits fills."""
        filling = self._filling
        while filling.full or (filling.batch and not whole):
            batch = self._make(filling.take())
            waiting = [self._work.ticket(item.drawn) for item in filling.waiting]
            ended = not whole and not waiting
            place = (epoch + 1, 0) if ended else (epoch, position)
            yield Made(batch, *place, self._bad_so_far(), waiting)
            self._made += 1
            filling.refill()

    def _rest(self, epoch: int) -> Iterator[Made]:
        """What an epoch ends with."""
        if not self._work.drop_last:
            yield from self._taken(epoch, self._work.places, whole=False)
        if self._bad:
            yield Made(None, epoch + 1, 0, self._bad_so_far(), [])

    def _bad_so_far(self) -> list[tuple[int, BadItem]]:
        """Those met since the batch before, each with the number of its part of the data."""
        bad, self._bad = self._bad, []
        return bad

    def _nothing_made(self) -> DataError:
        size, filling = self._work.batch_size, self._filling
        found = f"found {len(filling.batch)}"
        if not filling.waiting:
            return DataError(
                f"{self._spec}: expected at least batch_size={size} good pictures, {found}; "
                f"{self._tallies.summary(most=3)}"
            )
        return DataError(
            f"{self._spec}: expected at least batch_size={size} pairs of which no two share "
            f"caption or picture, {found} at most; choose a smaller batch, or another way with "
            "duplicates"
        )
