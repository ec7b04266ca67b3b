"""Encode a data set: the only part of evaluation that touches a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import cut, fields_line, line
from csparc.data.report import BadItems
from csparc.data.rows import laid_out
from csparc.evaluate.late_interaction import LateFeatures
from csparc.evaluate.tasks import prepacked
from csparc.models import frozen

if TYPE_CHECKING:
    from csparc.evaluate.tasks import Subject


@dataclass(frozen=True)
class Features:
    """Normalised embeddings of a data set.

    image_features [N, D], text_features [M, D]; caption j (``captions[j]``) belongs to row
    ``image_index[j]``, which is picture ``items[row]`` of the data set. ``problems`` names the
    pictures that were left out.
    """

    image_features: np.ndarray
    text_features: np.ndarray
    image_index: np.ndarray
    items: np.ndarray
    captions: list[str]
    problems: BadItems = field(default_factory=BadItems)

    __repr__ = fields_line


def encode_dataset(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    preprocess: Any,
    *,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Features | None:
    """Encode every picture of ``dataset`` and all of its captions, in order.

    Parameters
    ----------
    model : object
        With ``encode_image`` and ``encode_text``, as `csparc.TwoTower` has them.
    tokenizer : csparc.data.Tokenizer
    dataset : csparc.data.Dataset
    preprocess : csparc.data.transforms.Preprocess
        Without augmentation.
    batch_size : int
        Pictures, and captions, encoded at a time.
    progress : callable, optional
        Called with (pictures done, pictures in all) after each batch.
    should_stop : callable, optional
        Asked before each batch; True ends the work.

    Returns
    -------
    Features, or None when asked to stop

    Raises
    ------
    DataError
        No picture is usable, or more are bad than ``dataset.problems.max_bad`` allows.
    """
    model = frozen.OnRows(model) if dataset.has_rows else model
    with prepacked(model):
        found = _encode(
            dataset, tokenizer, preprocess, unit_images(model), unit_texts(model, tokenizer),
            batch_size, progress, should_stop,
        )  # fmt: skip
    if found is None:
        return None
    return Features(
        image_features=np.concatenate(found.images),
        text_features=np.concatenate(found.texts),
        image_index=found.image_index,
        items=found.items,
        captions=found.captions,
        problems=found.problems,
    )


def encode_subject(subject: Subject) -> Features | None:
    """`encode_dataset` of a subject, as it asks to be told and stopped."""
    return encode_dataset(
        subject.model, subject.tokenizer, subject.data, subject.preprocess,
        batch_size=subject.batch_size, progress=subject.progress, should_stop=subject.should_stop,
    )  # fmt: skip


def encode_late(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    preprocess: Any,
    *,
    specials: bool = False,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[LateFeatures, np.ndarray, BadItems] | None:
    """Patches and words of every picture and caption, for `evaluate_late_retrieval`.

    Arguments as of `encode_dataset`; ``specials``: whether the begin and end tokens are words, as
    they were in training. Returns the features, the picture of each caption, and the pictures that
    were left out; None when asked to stop. All of it is in memory: N P D + T D numbers, T words.
    """
    model = frozen.OnRows(model) if dataset.has_rows else model

    def pictures(images: np.ndarray) -> np.ndarray:
        return model.encode_image(images, return_patches=True)[1]

    def texts(ids: np.ndarray, **rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole, tokens = model.encode_text(
            ids, return_tokens=True, text_mask=tokenizer.valid_mask(ids), **rows
        )
        spoken = tokenizer.loss_mask(ids, specials=specials)
        return whole, tokens[spoken], spoken.sum(axis=1)

    with prepacked(model):
        found = _encode(
            dataset, tokenizer, preprocess, pictures, texts, batch_size, progress, should_stop
        )
    if found is None:
        return None
    whole, tokens, counts = (np.concatenate(parts) for parts in zip(*found.texts))
    features = LateFeatures(np.concatenate(found.images), tokens, counts, whole)
    return features, found.image_index, found.problems


class Stopped(Exception):
    """The work was asked to stop."""


class Pictures:
    """What a function makes of the pictures of a data set, a batch at a time and in order.

    Iterating gives ``(made, items)``: of_pictures(images float32 [B, 3, H, W], or of features their
    rows) and the numbers int64 [B] of the pictures, those that cannot be read left out. Pictures
    are decoded in threads; two batches of them are held at a time. ``problems`` then names what was
    left out.

    Raises
    ------
    Stopped
        Asked to stop, while iterating.
    DataError
        No picture is usable, or too many are bad, while iterating.
    """

    def __init__(
        self,
        dataset: Any,
        preprocess: Any,
        of_pictures: Callable[[np.ndarray], Any],
        batch_size: int = 64,
        progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.dataset, self.preprocess, self.of_pictures = dataset, preprocess, of_pictures
        self.batch_size, self.progress, self.should_stop = batch_size, progress, should_stop
        self.problems = dataset.problems

    def __repr__(self) -> str:
        return line(self, cut(repr(self.dataset.spec), 60), batch_size=self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, np.ndarray]]:
        from csparc.data.loading.loader import Loader

        with Loader(
            self.dataset, None, self.preprocess, self.batch_size, shuffle=False, drop_last=False,
            epochs=1, cache_bytes=0,
        ) as loader:  # fmt: skip
            self.problems = loader.report
            for batch in loader:
                if self.should_stop():
                    raise Stopped
                images = batch["image_rows" if self.dataset.has_rows else "image"]
                yield self.of_pictures(images), batch["index"]
                if self.progress:
                    self.progress(int(batch["index"][-1]) + 1, len(self.dataset))


def unit_pictures(subject: Subject) -> Pictures:
    """Unit vectors of a subject's pictures, a batch at a time."""
    return Pictures(
        subject.data, subject.preprocess, unit_images(subject.model), subject.batch_size,
        subject.progress, subject.should_stop,
    )  # fmt: skip


def encode_texts(
    texts: Sequence[str],
    tokenizer: Any,
    of_ids: Callable[..., Any],
    batch_size: int = 64,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] | None = None,
    beside: Callable[[slice, np.ndarray], dict[str, Any]] = lambda part, ids: {},
) -> list[Any]:
    """What a function makes of ids int32 [B, L] of texts, a batch at a time, and of what there is
    ``beside`` the ids of a part of the texts, as keywords.

    Raises
    ------
    Stopped
        Asked to stop.
    """
    made = []
    for first in range(0, len(texts), batch_size):
        if should_stop():
            raise Stopped
        part = slice(first, first + batch_size)
        ids = tokenizer(texts[part])
        made.append(of_ids(ids, **beside(part, ids)))
        if progress:
            progress(min(first + batch_size, len(texts)), len(texts))
    return made


def unit_images(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Pictures [B, 3, H, W] to unit vectors [B, D]."""
    return lambda images: model.encode_image(images, normalize=True)


def unit_texts(model: Any, tokenizer: Any) -> Callable[..., np.ndarray]:
    """Ids [B, L] to unit vectors [B, D]."""
    return lambda ids, **rows: model.encode_text(
        ids, normalize=True, text_mask=tokenizer.valid_mask(ids), **rows
    )


@dataclass(frozen=True)
class _Encoded:
    """What was made of each batch of pictures and of captions, and which they were."""

    images: list[Any]
    texts: list[Any]
    image_index: np.ndarray
    items: np.ndarray
    captions: list[str]
    problems: BadItems


def _encode(
    dataset: Any,
    tokenizer: Any,
    preprocess: Any,
    of_pictures: Callable[[np.ndarray], Any],
    of_ids: Callable[..., Any],
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool],
) -> _Encoded | None:
    """Every picture and all of its captions, in order; None when asked to stop."""
    images, items = [], []
    pictures = Pictures(dataset, preprocess, of_pictures, batch_size, progress, should_stop)
    try:
        for made, numbers in pictures:
            images.append(made)
            items.append(numbers)
        items = np.concatenate(items)
        own = [dataset.captions(int(item)) for item in items]
        captions = [caption for some in own for caption in some]
        places = [(int(item), n) for item, some in zip(items, own) for n in range(len(some))]
        texts = encode_texts(
            captions, tokenizer, of_ids, batch_size, should_stop,
            beside=lambda part, ids: _rows_of(dataset, places[part], tokenizer.valid_mask(ids)),
        )  # fmt: skip
    except Stopped:
        return None
    index = np.repeat(np.arange(len(items)), [len(some) for some in own])
    return _Encoded(images, texts, index, items, captions, pictures.problems)


def _rows_of(
    dataset: Any, places: list[tuple[int, int]], mask: np.ndarray
) -> dict[str, np.ndarray]:
    """What else is known of captions, (picture, number): of features their rows, else nothing."""
    if not dataset.has_rows:
        return {}
    found = [dataset.rows(item) for item, _ in places]
    texts = [pair.captions[number] for pair, (_, number) in zip(found, places)]
    return {"rows": laid_out(texts, mask, found[0].behind)}
