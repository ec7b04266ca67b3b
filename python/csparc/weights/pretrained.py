"""A model by name with the weights of a file, whoever wrote it: `csparc.create_model`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError
from csparc.models import TwoTower
from csparc.weights.reading import read_own, read_weights
from csparc.weights.source import is_foreign

OPTIONS = ("activation", "image_size", "context_length")


def create(
    name: str, path: str | os.PathLike, *, dtype: np.dtype | type = np.float32, **options: Any
) -> tuple[TwoTower, Preprocess]:
    """The model ``name`` with the weights in ``path``, and its transform for evaluation.

    Raises
    ------
    TypeError
        An option that weights decide.
    CheckpointError
        Nothing is there, the file cannot be read, or it holds another model.
    """
    if not os.path.exists(path):
        raise CheckpointError(
            f"pretrained: expected the path of a file or a folder of weights, found no such file: "
            f"{os.fspath(path)!r}; nothing is downloaded"
        )
    for option in options:
        if option not in OPTIONS:
            raise TypeError(
                f"{option}: expected one of {', '.join(OPTIONS)} beside pretrained=, which decides "
                "the others"
            )
    if is_foreign(path):
        found = read_weights(path, name=name, dtype=dtype, **options)
        return found.model, found.preprocess
    activation = options.pop("activation", None)
    found = read_own(path, name=name, **options)
    model = found.model
    if activation not in (None, model.config.activation):
        raise TypeError(
            "activation: expected none with a checkpoint of csparc's, which has its own"
        )
    if model.dtype != np.dtype(dtype):
        other = TwoTower(model.config, seed=None, dtype=dtype)
        values = model.state_dict()
        other.load_state_dict({key: value.astype(other.dtype) for key, value in values.items()})
        model = other
    return model, found.preprocess
