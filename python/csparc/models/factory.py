"""Models by name, spelled as in open_clip."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc.models.config import ModelConfig, TowerConfig
from csparc.models.presets import PRESETS, preset
from csparc.models.two_tower import TwoTower

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer

PAPER_CONTEXT_LENGTH = 55


def create_model(
    name: str,
    *,
    pretrained: str | os.PathLike | None = None,
    seed: int | None = 0,
    dtype: np.dtype | type = np.float32,
    precision: str = "fp32",
    **overrides: Any,
) -> TwoTower:
    """A model with fresh weights, or with those of a file.

    Parameters
    ----------
    name : str
        One of ``list_models()`` or ``list_models(published=True)``. The latter are open_clip's
        names of CLIP and SigLIP, such as "ViT-B-32"; "vit-b-32" is the paper's model of that size.
    pretrained : path, optional
        A checkpoint of csparc's, or weights that open_clip or transformers wrote (docs/weights.md);
        ``seed`` then does nothing, and of the fields below ``activation``, ``image_size`` and
        ``context_length`` can be changed.
    seed : int or None
        Initial weights are a function of it; None leaves them zero, for weights to be loaded.
    dtype : float32 or float64
    precision : "fp32" or "bf16"
        What `csparc.TwoTower.precision` is set to; "bf16" of float32 alone.
    **overrides
        Fields of ``ModelConfig`` to change, such as ``vocab_size=2000`` or ``causal=True``. A
        tower is given as a ``TowerConfig`` or a mapping of the fields to change.
    """
    if pretrained is not None:
        model = _pretrained(name, pretrained, dtype, overrides)[0]
    else:
        model = TwoTower(configure(name, **overrides), seed=seed, dtype=dtype)
    model.precision = precision
    return model


def _pretrained(
    name: str, path: str | os.PathLike, dtype: np.dtype | type, options: dict[str, Any]
) -> tuple[TwoTower, Any]:
    """The model and its preprocessing. Weights are read from above the models: imported when asked
    for."""
    return importlib.import_module("csparc.weights").create(name, path, dtype=dtype, **options)


def configure(name: str, **overrides: Any) -> ModelConfig:
    """The configuration of ``create_model(name, **overrides)``."""
    config = preset(name)
    known = [field.name for field in fields(ModelConfig)]
    for option in overrides:
        if option not in known:
            raise TypeError(
                f"{option}: expected a field of the model's configuration ({', '.join(known)}); "
                "weights are loaded with pretrained= or csparc.load_checkpoint"
            )
    for side in ("image", "text"):
        tower = overrides.get(side)
        if tower is not None and not isinstance(tower, TowerConfig):
            overrides[side] = replace(getattr(config, side), **dict(tower))
    return replace(config, **overrides)


def create_model_and_transforms(
    name: str, **options: Any
) -> tuple[TwoTower, Callable[..., np.ndarray], Callable[..., np.ndarray]]:
    """(model, preprocess for training, preprocess for evaluation); options as ``create_model``.

    Both turn a picture into float32 [3,H,W] of the model's size, normalised as CLIP, or with
    ``pretrained`` as its file says; the one for training augments.
    """
    from csparc.data import transforms

    if (path := options.pop("pretrained", None)) is not None:
        options.pop("seed", None)
        precision = options.pop("precision", "fp32")
        model, made = _pretrained(name, path, options.pop("dtype", np.float32), options)
        model.precision = precision
        return model, transforms.Preprocess(**{**made.config(), "train": True}), made
    model = create_model(name, **options)
    size = model.config.image_size
    return (
        model,
        transforms.preprocess(size, train=True),
        transforms.preprocess(size),
    )


def get_tokenizer(path: str | os.PathLike, context_length: int | None = None) -> Tokenizer:
    """A tokenizer from a file: a tokenizer.json, or else CLIP's BPE merges (.txt or .txt.gz).

    Parameters
    ----------
    path : str or path
    context_length : int, optional
        Most tokens of a text; the default is the paper's 55, which the presets but ``nano`` have.
    """
    from csparc.data import tokenizer

    path = os.fspath(path)
    if path in PRESETS:
        raise ValueError(
            f"path: expected a tokenizer's file, found the name of a model, {path!r}: models have "
            "no tokenizer of their own; csparc.data.tokenizer.train makes one from captions"
        )
    length = PAPER_CONTEXT_LENGTH if context_length is None else context_length
    if path.endswith(".json"):
        return tokenizer.from_file(path, context_length=length)
    return tokenizer.from_clip_bpe(path, context_length=length)
