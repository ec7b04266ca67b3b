"""Batches for training and evaluation, decoded ahead of the step, the same bits every time."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from csparc._repr import cut, line
from csparc._scalars import choice, whole_number
from csparc.data.dataset import Dataset
from csparc.data.loading import cache
from csparc.data.loading.batches import Work
from csparc.data.loading.duplicates import HANDLING
from csparc.data.loading.inputs import inputs_of, picture_bytes
from csparc.data.loading.plan import Plan
from csparc.data.loading.prefetch import Prefetch, decoding_threads
from csparc.data.loading.tally import Tallies
from csparc.data.loading.words import BatchWords
from csparc.data.mixed import MixedBatches
from csparc.data.report import BadItem, BadItems
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess
from csparc.errors import DataError

CAPTION_CHOICES = ("sample", "first")


class Loader:
    """An iterator of batches; without `epochs` it never ends.

    Each batch is a dict: ``image`` float32 [B, 3, H, W], or of features (`csparc.features`) arrays
    in its place (`csparc.data.loading.inputs.RowInputs`), ``index`` int64 [B] (the pictures'
    numbers), and with a tokenizer ``text`` int32 [B, L], ``text_mask`` bool [B, L] (not padding)
    and ``loss_mask`` bool [B, L] (tokens that enter the local loss); with ``words`` also
    ``word_ids`` int64 [B, L] and ``lacks`` bool [B, W], as `csparc.losses` take them, and with
    ``hard_negatives`` also ``hard_negative`` int32 [N, L] and ``hard_negative_mask`` bool [N, L]:
    one of each picture that has some, in the order of the batch; N may be 0.

    The order of an epoch, the captions, hard negatives and augmentations are functions of (seed,
    epoch, picture), so neither threads nor timing change a bit. A picture that cannot be decoded is
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
    duplicates : {"allow", "avoid", "group"}
        Pairs of a batch with equal captions (as token ids) or equal pictures. ``"allow"`` takes
        them as they come. ``"avoid"``: a picture that duplicates one of the batch waits, first in
        line, for the next batch it fits in; with two batches waiting, or at the end of the epoch,
        it is left out of this epoch. ``"group"``: batches also hold ``group`` int64 [B], equal ids
        for duplicates, as the losses take them.
    words : bool
        Also tell which word every token is, and which words of the batch none of a picture's
        captions has. Words are case folded; a word of several tokens is one word.
    hard_negatives : bool
        Also give captions that nearly describe the pictures, and do not. ``caption`` says which,
        as of the captions; unless duplicates are allowed, one whose tokens are those of a caption
        of the batch is left out.
    cache_bytes : int
        Memory for decoded pictures.
    cache_folder : path, optional
        Where decoded pictures are kept for later runs, too
        (`csparc.data.loading.disk_cache.DiskCache`).
    on_bad : callable, optional
        Called with each new `BadItem`, when the batch after it is taken.

    Attributes
    ----------
    report : BadItems
        What was skipped so far, with what the data set left out itself.
    reports : list of BadItems
        The same of each part of a `csparc.data.Mixed`; else of the data set.
    cursor : dict
        ``{"epoch", "position", "pictures"}`` of the batch that comes next, with ``"waiting"``, the
        numbers of the pictures that wait for it, if any do; of a mix ``"places"``, the pictures of
        an epoch, and those that wait by their places.

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
        duplicates: str = "allow",
        words: bool = False,
        hard_negatives: bool = False,
        cache_bytes: int = cache.DEFAULT_BYTES,
        cache_folder: str | os.PathLike | None = None,
        on_bad: Callable[[BadItem], None] | None = None,
    ) -> None:
        whole_number(batch_size, "batch_size", low=1)
        choice(caption, "caption", CAPTION_CHOICES)
        choice(duplicates, "duplicates", HANDLING)
        if words and tokenizer is None:
            raise ValueError("words: expected False without a tokenizer, found True")
        if hard_negatives and tokenizer is None:
            raise ValueError("hard_negatives: expected False without a tokenizer, found True")
        if isinstance(dataset, MixedBatches) and shuffle:
            raise TypeError("dataset: expected no MixedBatches, which AlternatingLoader takes")
        places = dataset.epoch_length if shuffle else len(dataset)
        if places < (batch_size if drop_last else 1):
            raise DataError(
                f"{dataset.spec}: expected at least batch_size={batch_size} pictures, "
                f"found {places}"
            )
        self._work = Work(
            dataset=dataset,
            tokenizer=tokenizer,
            batch_size=batch_size,
            seed=seed,
            threads=threads or decoding_threads(),
            caption=caption,
            drop_last=drop_last,
            shuffle=shuffle,
            epochs=epochs,
            loss_specials=loss_specials,
            duplicates=duplicates,
            inputs=inputs_of(dataset, transform, cache_bytes, cache_folder),
            words=BatchWords(tokenizer) if words and tokenizer is not None else None,
            hard_negatives=bool(hard_negatives),
        )
        self._plan = Plan(self._work)
        self._on_bad = on_bad
        self._cursor = _checked_cursor(cursor, self._work)
        self._prefetch: Prefetch | None = None
        self.report = BadItems(dataset.problems.max_bad)
        self.report.update(dataset.problems)
        self.reports = [tally.report for tally in Tallies(dataset).each]

    summed = 1
    """Batches of a step whose gradients are summed: of one data set one."""

    def __repr__(self) -> str:
        place = {name: self._cursor[name] for name in ("epoch", "position")}
        return line(
            self, cut(repr(self._work.dataset.spec), 50), batch_size=self._work.batch_size, **place
        )

    @property
    def cursor(self) -> dict:
        return dict(self._cursor)

    def __len__(self) -> int:
        """`batches_in` the epoch of the next batch."""
        return self.batches_in(self._cursor["epoch"])

    def batches_in(self, epoch: int) -> int:
        """Batches of an epoch, from its start.

        When no picture is bad; with ``duplicates="avoid"`` as it will be: the first call then
        decodes every picture, and an epoch costs the tokens of its captions.

        Raises
        ------
        DataError
            With ``duplicates="avoid"``: too many pictures are bad.
        """
        if self._work.duplicates == "avoid":
            return self._plan.batches(epoch)
        count, size = self._work.places, self._work.batch_size
        return count // size if self._work.drop_last else -(-count // size)

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        if self._prefetch is None:
            cursor = self._cursor
            source = self._work.batches(
                cursor["epoch"], cursor["position"], cursor.get("waiting", [])
            )
            self._prefetch = Prefetch(source, batches_ahead(self._work.picture_bytes))
        while True:
            made = next(self._prefetch)
            for part, bad in made.bad:
                self.reports[part].add(bad)
                if self.report.add(bad) and self._on_bad is not None:
                    self._on_bad(bad)
            self._cursor.update(epoch=made.epoch, position=made.position)
            self._cursor.pop("waiting", None)
            if made.waiting:
                self._cursor["waiting"] = made.waiting
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


LARGE_BATCH = 1 << 28
"""Bytes of pictures above which one batch is made ahead, where three are of smaller ones."""


def batches_ahead(nbytes: int) -> int:
    """Batches, of pictures of so many bytes, that are made before they are asked for."""
    return 3 if nbytes <= LARGE_BATCH else 1


def held_bytes(batch_size: int, image_size: int) -> int:
    """Most bytes of pictures that training holds at a time: the float32 batch of the step and those
    made ahead; the 8-bit pictures of the one being made, once as decoded and once side by side, and
    those that are decoded for the one after it."""
    nbytes = picture_bytes(batch_size, image_size)
    return nbytes * (1 + batches_ahead(nbytes)) + 3 * (nbytes // 4)


def _checked_cursor(cursor: dict | None, work: Work) -> dict:
    pictures, places, spec = len(work.dataset), work.places, work.dataset.spec
    begin = {"epoch": 0, "position": 0, "pictures": pictures}
    cursor = {**begin, **({"places": places} if work.repeats else {}), **(cursor or {})}
    found = cursor["pictures"], cursor.get("places", cursor["pictures"])
    if found != (pictures, places):
        drawn = f", {places} an epoch where it had {found[1]}" if found[1] != places else ""
        raise DataError(
            f"{spec}: expected the {found[0]} pictures of the interrupted run, found "
            f"{pictures}{drawn}"
        )
    if cursor["epoch"] < 0 or not 0 <= cursor["position"] <= places:
        raise ValueError(f"cursor: expected epoch >= 0 and position 0..{places}: {cursor}")
    if not all(0 <= index < places for index in cursor.get("waiting", [])):
        raise ValueError(f"cursor: expected waiting pictures below {places}: {cursor}")
    return cursor
