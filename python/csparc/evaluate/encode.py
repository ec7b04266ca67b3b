"""Encode a data set: the only part of evaluation that touches a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc.data.report import BadItems
from csparc.data.rows import laid_out
from csparc.evaluate.late_interaction import LateFeatures
from csparc.models import frozen


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

    def pictures(images: np.ndarray) -> np.ndarray:
        return model.encode_image(images, normalize=True)

    def texts(ids: np.ndarray, **rows: np.ndarray) -> np.ndarray:
        mask = tokenizer.valid_mask(ids)
        return model.encode_text(ids, normalize=True, text_mask=mask, **rows)

    found = _encode(
        dataset, tokenizer, preprocess, pictures, texts, batch_size, progress, should_stop
    )
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

    found = _encode(
        dataset, tokenizer, preprocess, pictures, texts, batch_size, progress, should_stop
    )
    if found is None:
        return None
    whole, tokens, counts = (np.concatenate(parts) for parts in zip(*found.texts))
    features = LateFeatures(np.concatenate(found.images), tokens, counts, whole)
    return features, found.image_index, found.problems


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
    from csparc.data.loading.loader import Loader

    images, items = [], []
    loader = Loader(dataset, None, preprocess, batch_size, shuffle=False, drop_last=False, epochs=1)
    with loader:
        for batch in loader:
            if should_stop():
                return None
            images.append(of_pictures(batch["image_rows" if dataset.has_rows else "image"]))
            items.append(batch["index"])
            if progress:
                progress(int(batch["index"][-1]) + 1, len(dataset))
    items = np.concatenate(items)
    own = [dataset.captions(int(item)) for item in items]
    captions = [caption for some in own for caption in some]
    places = [(int(item), n) for item, some in zip(items, own) for n in range(len(some))]
    texts = []
    for first in range(0, len(captions), batch_size):
        if should_stop():
            return None
        part = slice(first, first + batch_size)
        ids = tokenizer(captions[part])
        texts.append(of_ids(ids, **_rows_of(dataset, places[part], tokenizer.valid_mask(ids))))
    index = np.repeat(np.arange(len(items)), [len(some) for some in own])
    return _Encoded(images, texts, index, items, captions, loader.report)


def _rows_of(
    dataset: Any, places: list[tuple[int, int]], mask: np.ndarray
) -> dict[str, np.ndarray]:
    """What else is known of captions, (picture, number): of features their rows, else nothing."""
    if not dataset.has_rows:
        return {}
    found = [dataset.rows(item) for item, _ in places]
    texts = [pair.captions[number] for pair, (_, number) in zip(found, places)]
    return {"rows": laid_out(texts, mask, found[0].behind)}
