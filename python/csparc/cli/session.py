"""A trained model, ready for use by any command that takes a checkpoint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csparc.checkpoint.trained import Trained


def load_session(path: str | os.PathLike) -> Trained:
    """Load a checkpoint with its tokenizer.

    Raises
    ------
    CheckpointError
        The file is not a whole checkpoint, or holds no tokenizer.
    """
    from csparc.checkpoint.checkpoint import load_trained

    return load_trained(path).with_tokenizer(os.fspath(path))
