"""A trained model, ready for use by any command that takes a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csparc.errors import CheckpointError


@dataclass(frozen=True)
class Session:
    """A model, its tokenizer, its loss, its preprocessing (uint8 picture to float32 [3, S, S])."""

    model: Any
    tokenizer: Any
    loss: Any
    preprocess: Callable
    metadata: Any

    @property
    def loss_specials(self) -> bool:
        """Whether begin and end marks entered the local loss."""
        return bool(self.metadata.train_config.get("loss_specials", False))


def load_session(path: str | os.PathLike) -> Session:
    """Load a checkpoint with its tokenizer.

    Raises
    ------
    CheckpointError
        The file is not a whole checkpoint, or holds no tokenizer.
    """
    from csparc.checkpoint.checkpoint import load_trained
    from csparc.data.transforms import Preprocess

    found = load_trained(path)
    if found.tokenizer is None:
        raise CheckpointError(f"{os.fspath(path)}: expected a tokenizer inside, found none")
    preprocess = Preprocess(**found.metadata.preprocess)
    return Session(found.model, found.tokenizer, found.loss, preprocess, found.metadata)
