"""Encode a data set: the only part of evaluation that touches a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from csparc.data.report import BadItems


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
    from csparc.data.loader import Loader

    images, items = [], []
    loader = Loader(dataset, None, preprocess, batch_size, shuffle=False, drop_last=False, epochs=1)
    with loader:
        for batch in loader:
            if should_stop():
                return None
            images.append(model.encode_image(batch["image"], normalize=True))
            items.append(batch["index"])
            if progress:
                progress(int(batch["index"][-1]) + 1, len(dataset))
    items = np.concatenate(items)
    own = [dataset.captions(int(item)) for item in items]
    captions = [caption for some in own for caption in some]
    texts = []
    for first in range(0, len(captions), batch_size):
        if should_stop():
            return None
        ids = tokenizer(captions[first : first + batch_size])
        valid = tokenizer.valid_mask(ids)
        texts.append(model.encode_text(ids, normalize=True, text_mask=valid))
    return Features(
        image_features=np.concatenate(images),
        text_features=np.concatenate(texts),
        image_index=np.repeat(np.arange(len(items)), [len(some) for some in own]),
        items=items,
        captions=captions,
        problems=loader.report,
    )
