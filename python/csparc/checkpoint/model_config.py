"""From the configurations in a checkpoint to parameter shapes and a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from csparc.checkpoint.safetensors_file import refuse, show
from csparc.losses.registry import loss_from_config

if TYPE_CHECKING:
    from csparc.checkpoint.checkpoint import Checkpoint
    from csparc.losses import Loss
    from csparc.models import TwoTower


def parameter_shapes(
    path: str | os.PathLike, model_config: dict[str, Any], most_layers: int
) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of the model a configuration describes.

    The model is made without values, so that its memory is never touched, and not at all when it
    asks for more than ``most_layers`` layers: a broken configuration must cost nothing.
    """
    from csparc import models

    try:
        config = models.ModelConfig.from_dict(model_config)
        stem = len(config.stem_widths) if config.image_stem == "conv" else 0
        layers = max(stem, config.image.layers, config.text.layers)
        if layers > most_layers:
            refuse(path, f"a model of at most {most_layers} layers by its tensors", f"{layers}")
        parameters = models.TwoTower(config, seed=None).parameters
    except (TypeError, ValueError, MemoryError, OverflowError) as error:
        refuse(path, "a model_config that describes a model", show(str(error), 160))
    return {name: parameter.data.shape for name, parameter in parameters.items()}


def loss_shapes(path: str | os.PathLike, loss_config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of what the loss of a configuration owns; most own nothing."""
    try:
        loss = loss_from_config(loss_config)
    except (TypeError, ValueError) as error:
        refuse(path, "a loss_config that describes a loss", show(str(error), 160))
    owned = {} if loss is None else loss.parameters
    return {name: parameter.data.shape for name, parameter in owned.items()}


def build_loss(checkpoint: Checkpoint) -> Loss | None:
    """The loss with what it learned; None where nobody registered one of its name."""
    loss = loss_from_config(checkpoint.metadata.loss_config)
    if loss is not None:
        loss.load_state_dict(checkpoint.loss)
    return loss


def build_model(checkpoint: Checkpoint) -> TwoTower:
    """The model with the checkpoint's weights."""
    from csparc import models

    dtype = next(iter(checkpoint.model.values())).dtype
    config = models.ModelConfig.from_dict(checkpoint.metadata.model_config)
    model = models.TwoTower(config, seed=None, dtype=dtype.newbyteorder("="))
    model.load_state_dict(checkpoint.model)
    return model
