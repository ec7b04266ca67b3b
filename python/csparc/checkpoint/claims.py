"""What the configurations in a checkpoint claim, compared with what its file holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from csparc._text import show
from csparc.checkpoint.safetensors_file import TensorEntry, refuse
from csparc.losses.registry import loss_from_config
from csparc.models import ModelConfig, TwoTower
from csparc.nn.parameter import TooManyParameters, at_most

if TYPE_CHECKING:
    from csparc.nn import Parameter

SPARE_BYTES, SPARE_ARRAYS = 1 << 20, 64
"""Parameters made beyond those a file holds, so that one that is missing can be named."""
_CANNOT = (TypeError, ValueError, ArithmeticError, MemoryError, RecursionError)


def model_shapes(
    path: str | os.PathLike, model_config: dict[str, Any], held: list[TensorEntry]
) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of the model a configuration describes.

    The model is made without values, and not beyond what the file holds, ``held``: a configuration
    that claims more must cost nothing.
    """

    def make() -> Mapping[str, Parameter]:
        return TwoTower(ModelConfig.from_dict(model_config), seed=None).parameters

    return _shapes(path, "model", make, held)


def loss_shapes(
    path: str | os.PathLike, loss_config: dict[str, Any], held: list[TensorEntry]
) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of what the loss of a configuration owns; most own nothing."""

    def make() -> Mapping[str, Parameter]:
        loss = loss_from_config(loss_config)
        return {} if loss is None else loss.parameters

    return _shapes(path, "loss", make, held)


def _shapes(
    path: str | os.PathLike,
    what: str,
    make: Callable[[], Mapping[str, Parameter]],
    held: list[TensorEntry],
) -> dict[str, tuple[int, ...]]:
    nbytes = sum(entry.end - entry.begin for entry in held)
    try:
        with at_most(nbytes + SPARE_BYTES, len(held) + SPARE_ARRAYS):
            parameters = make()
    except TooManyParameters:
        refuse(
            path,
            f"a {what}_config of the {what} in the file, {len(held)} tensors of {nbytes} bytes",
            "one that asks for more",
        )
    except _CANNOT as error:
        refuse(path, f"a {what}_config that describes a {what}", show(str(error), 160))
    return {name: parameter.data.shape for name, parameter in parameters.items()}
