"""Training on features: what stands in a batch in place of pictures, and what must fit it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from csparc.features import FrozenFeatures
from csparc.features.manifest import towers_digest
from csparc.models import frozen

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.models import ModelOutput, TwoTower
    from csparc.nn import Tape, Tensor

Batch = dict[str, np.ndarray]


def forward(model: TwoTower, batch: Batch, tape: Tape) -> ModelOutput:
    """What the model gives of the pairs of a batch: pictures, or rows that its towers gave."""
    text, mask = batch["text"], batch["text_mask"]
    if "image_rows" in batch:
        return frozen.forward(model, batch["image_rows"], text, mask, batch["text_rows"], tape)
    return model(batch["image"], text, mask, tape=tape)


def image_features(model: TwoTower, batch: Batch, part: slice, tape: Tape) -> tuple[Tensor, Tensor]:
    """Patches and vectors of a part of the pictures of a batch."""
    if "image_rows" in batch:
        return frozen.image_heads(model, batch["image_rows"][part], tape)
    return model.image_features(batch["image"][part], tape)


def text_features(model: TwoTower, batch: Batch, part: slice, tape: Tape) -> tuple[Tensor, Tensor]:
    """Tokens and vectors of a part of the captions of a batch."""
    text, mask = batch["text"][part], batch["text_mask"][part]
    if "text_rows" in batch:
        return frozen.text_heads(model, text, mask, batch["text_rows"][part], tape)
    return model.text_features(text, mask, tape)


def extra_vectors(model: TwoTower, batch: Batch, tape: Tape, part: slice = slice(None)) -> Tensor:
    """Vectors [N,D] of the hard negatives of a batch, or of a part of them."""
    text, mask = batch["hard_negative"][part], batch["hard_negative_mask"][part]
    if "hard_negative_rows" in batch:
        rows = batch["hard_negative_rows"][part]
        return frozen.text_heads(model, text, mask, rows, tape)[1]
    return model.text_vectors(text, mask, tape)


def pictures_of(batch: Batch) -> tuple[str, np.ndarray]:
    """What a batch holds of its pictures, and what messages call it."""
    if "image_rows" in batch:
        return "the features of the batch", batch["image_rows"]
    return "the pictures of the batch", batch["image"]


def check_features(
    model: TwoTower,
    tokenizer: Tokenizer,
    transforms: Iterable[Preprocess],
    datasets: Iterable[Dataset],
) -> None:
    """Refuse features of another model, and with features what would have no effect.

    Parameters
    ----------
    model, tokenizer
        Of the run.
    transforms
        For training and for evaluation.
    datasets
        For training, and for validation where there is any.

    Raises
    ------
    DataError
        Features of other towers.
    ValueError
        Towers that would be trained, or a transform that augments.
    """
    training, *rest = datasets
    varied, plain = transforms
    parts = [part for data in (training, *rest) for part, _ in data.parts() if part.has_rows]
    if training.has_rows:
        trained = [n for n, p in model.parameters.items() if p.requires_grad]
        if odd := [name for name in trained if not frozen.is_head(name)]:
            raise ValueError(
                f"model: expected locked towers with features, found {odd[0]} to be trained; "
                "csparc.models.frozen.lock_towers(model) locks them"
            )
        if varied.config() != plain.config():
            raise ValueError(
                f"preprocess: expected that of evaluation, {plain!r}, with features, which cannot "
                f"be augmented, found {varied!r}"
            )
    if parts:
        digest = towers_digest(model, tokenizer, plain)
        for part in parts:
            if isinstance(part, FrozenFeatures):
                part.check_towers(digest)
