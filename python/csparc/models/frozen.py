"""Towers that are no longer trained: what they give of pictures and captions, and the heads on it.

The heads are what stands above f_v and f_t: adapters with the norms of local paths, h_v or a
pooling that is trained, and the scales. A forward pass of the model is these two steps one after
the other, so that heads trained on rows that were kept are those of a model with locked towers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from csparc._arrays import packed
from csparc._repr import fields_line, line
from csparc.models.config import ModelConfig
from csparc.models.groups import is_head
from csparc.models.inputs import check_ids, check_images
from csparc.models.output import ModelOutput, encoded
from csparc.models.two_tower import TwoTower
from csparc.nn import Tape, Tensor

HEAD_FIELDS = (
    "shared_width", "head_activation", "global_pool", "pool_queries", "projection_bias",
    "logit_bias",
)  # fmt: skip
"""Fields of a model's configuration that may differ between heads on the same rows."""


def lock_towers(model: TwoTower) -> None:
    """Freeze every parameter below the heads."""
    for name, parameter in model.parameters.items():
        if not is_head(name):
            parameter.requires_grad = False


def tower_fields(config: ModelConfig) -> dict[str, Any]:
    """What of a configuration decides what the towers give, as JSON values."""
    fields = config.to_dict()
    rows = {"rows": asdict(RowLayout.of(config))}
    return rows | {name: value for name, value in fields.items() if name not in HEAD_FIELDS}


def with_heads(model: TwoTower, seed: int, **fields: Any) -> TwoTower:
    """The towers of a model, their arrays copied, with fresh heads.

    Parameters
    ----------
    model : TwoTower
    seed : int
        The heads' initial weights are a function of it.
    **fields
        Of `HEAD_FIELDS`, those that differ from the model's.

    Raises
    ------
    ValueError
        Heads that would read other rows than the towers give.
    """
    if unknown := sorted(set(fields) - set(HEAD_FIELDS)):
        raise ValueError(
            f"{unknown[0]}: expected fields of the heads alone to differ from the model whose "
            f"towers are kept, {', '.join(HEAD_FIELDS)}"
        )
    config = replace(model.config, **fields)
    other = TwoTower(config, seed=seed, dtype=model.dtype)
    towers = {name: array for name, array in model.state_dict().items() if not is_head(name)}
    own = {name for name in other.parameters if not is_head(name)}
    if tower_fields(config) != tower_fields(model.config) or own != set(towers):
        raise ValueError(
            f"{', '.join(fields)}: expected heads that read the rows which the towers of a model "
            f"with global_pool={model.config.global_pool!r} give, found some that read others"
        )
    for name, array in towers.items():
        other.parameters[name].data[...] = array
    return other


@dataclass(frozen=True)
class RowLayout:
    """How many rows the towers give, and how wide: of a picture ``image`` rows that patches are
    made of and ``image_whole`` behind them that the global path reads; of a caption one for every
    position that is computed and ``text_whole`` behind them."""

    image: int
    image_whole: int
    image_width: int
    text_whole: int
    text_width: int
    all_positions: bool
    """Whether every position of a caption is computed, and not only its tokens."""

    __repr__ = fields_line

    @classmethod
    def of(cls, config: ModelConfig) -> RowLayout:
        """That of a model's configuration."""
        local, pools = config.local_layer is not None, config.pools_local
        pooled = config.global_pool in ("text", "class")
        behind = (1 if pooled else config.patches) if local and not pools else 0
        return cls(
            image=config.patches if local else config.positions,
            image_whole=behind,
            image_width=config.image.width,
            text_whole=int(config.local_tokens == "words" and not pools),
            text_width=config.text.width,
            all_positions=config.global_pool == "listing" or config.text_pool == "last",
        )


def image_rows(model: TwoTower, image: np.ndarray) -> np.ndarray:
    """What the image tower gives of normalised pictures [B,3,H,W]: rows [B,R,C] by `RowLayout`."""
    images = check_images(image, model.config, model.dtype)
    rows, whole = model.visual.features(Tape(record=False), Tensor(images))
    return _joined(rows.data, whole)


def text_rows(model: TwoTower, text: np.ndarray, text_mask: np.ndarray | None) -> np.ndarray:
    """What the text tower gives of ids [B,L]: [B,L + text_whole,C], 0 where nothing is computed."""
    ids = check_ids(text, model.config)
    valid = model.valid_positions(text_mask, ids)
    rows, whole = model.text.features(Tape(record=False), ids, valid)
    _, places = model.text.computed(valid)
    dense = rows.data
    if places is not None:
        dense = np.zeros((ids.size, rows.shape[-1]), rows.data.dtype)
        dense[places] = rows.data
        dense = dense.reshape(*ids.shape, -1)
    return _joined(dense, whole)


def kept_positions(model: TwoTower, text_mask: np.ndarray) -> np.ndarray:
    """Where `text_rows` are to be kept, bool [B,L]: elsewhere no head reads them."""
    every = RowLayout.of(model.config).all_positions
    return np.ones_like(text_mask) if every else text_mask


def forward(
    model: TwoTower,
    image: np.ndarray,
    text: np.ndarray,
    text_mask: np.ndarray | None,
    rows: np.ndarray,
    tape: Tape,
) -> ModelOutput:
    """As a call of the model, of `image_rows` ``image`` and `text_rows` ``rows`` in place of
    pictures and words; ``text`` and ``text_mask`` say which rows are tokens."""
    patches, image_global = image_heads(model, image, tape)
    tokens, text_global = text_heads(model, text, text_mask, rows, tape)
    return ModelOutput(patches, tokens, image_global, text_global)


def image_heads(model: TwoTower, rows: np.ndarray, tape: Tape) -> tuple[Tensor, Tensor]:
    """Patches [B,P,D] and vectors [B,D] of `image_rows`."""
    layout = RowLayout.of(model.config)
    expected = (layout.image + layout.image_whole, layout.image_width)
    if rows.ndim != 3 or rows.shape[1:] != expected:
        raise ValueError(f"rows: expected [B, {expected[0]}, {expected[1]}], found {rows.shape}")
    vector = layout.image_whole == 1
    return model.visual.heads(tape, *_parted(rows, layout.image, vector, model.dtype))


def text_heads(
    model: TwoTower,
    text: np.ndarray,
    text_mask: np.ndarray | None,
    rows: np.ndarray,
    tape: Tape,
) -> tuple[Tensor, Tensor]:
    """Tokens [B,L,D] and vectors [B,D] of `text_rows`."""
    layout, ids = RowLayout.of(model.config), check_ids(text, model.config)
    expected = (len(ids), ids.shape[1] + layout.text_whole, layout.text_width)
    if rows.shape != expected:
        raise ValueError(f"rows: expected {list(expected)}, found {list(rows.shape)}")
    valid = model.valid_positions(text_mask, ids)
    _, places = model.text.computed(valid)
    own, whole = _parted(rows, ids.shape[1], True, model.dtype)
    if places is not None:
        own = Tensor(np.ascontiguousarray(own.data.reshape(ids.size, -1)[places]))
    return model.text.heads(tape, own, whole, ids, valid)


class OnRows:
    """A model that encodes rows in place of pictures and captions, for evaluation."""

    def __init__(self, model: TwoTower) -> None:
        self.model = model

    def __repr__(self) -> str:
        return line(self, repr(self.model))

    def prepacked(self) -> AbstractContextManager[None]:
        """As of `TwoTower`."""
        return self.model.prepacked()

    def encode_image(
        self, image: np.ndarray, normalize: bool = False, return_patches: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """As of `TwoTower`, of `image_rows`."""
        patches, pooled = image_heads(self.model, image, Tape(record=False))
        return encoded(pooled, patches if return_patches else None, normalize)

    def encode_text(
        self,
        text: np.ndarray,
        normalize: bool = False,
        return_tokens: bool = False,
        text_mask: np.ndarray | None = None,
        *,
        rows: np.ndarray,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """As of `TwoTower`, of ids and `text_rows` ``rows``."""
        tokens, pooled = text_heads(self.model, text, text_mask, rows, Tape(record=False))
        return encoded(pooled, tokens if return_tokens else None, normalize)


def _joined(rows: np.ndarray, whole: Tensor | None) -> np.ndarray:
    if whole is None:
        return rows
    behind = whole.data if whole.data.ndim == 3 else whole.data[:, None]
    return np.concatenate([rows, behind], axis=1)


def _parted(
    rows: np.ndarray, count: int, vector: bool, dtype: np.dtype
) -> tuple[Tensor, Tensor | None]:
    own, behind = rows[:, :count], rows[:, count:]
    whole = None
    if behind.shape[1]:
        whole = Tensor(packed(behind[:, 0] if vector else behind, dtype))
    return Tensor(packed(own, dtype)), whole
