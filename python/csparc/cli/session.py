"""A trained model ready for use: what every command that takes a checkpoint begins with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csparc.errors import CheckpointError


@dataclass(frozen=True)
class Session:
    """A model, its tokenizer, its preprocessing (uint8 picture to float32 [3, S, S])."""

    model: Any
    tokenizer: Any
    preprocess: Callable
    metadata: Any


def load_session(path: str | os.PathLike) -> Session:
    """Load a checkpoint with its tokenizer.

    Raises
    ------
    CheckpointError
        The file is not a whole checkpoint, or holds no tokenizer.
    """
    import csparc
    from csparc.data.transforms import Preprocess

    model, tokenizer, metadata = csparc.load_checkpoint(path)
    if tokenizer is None:
        raise CheckpointError(f"{os.fspath(path)}: expected a tokenizer inside, found none")
    return Session(model, tokenizer, Preprocess(**metadata.preprocess), metadata)
