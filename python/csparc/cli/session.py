"""A trained model, ready for use by any command that takes a checkpoint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from csparc._precision import PRECISIONS

if TYPE_CHECKING:
    from csparc.checkpoint.trained import Trained


def load_session(path: str | os.PathLike, precision: str = PRECISIONS[0]) -> Trained:
    """Load a checkpoint with its tokenizer, to encode in ``precision``.

    Raises
    ------
    CheckpointError
        The file is not a whole checkpoint, or holds no tokenizer.
    ValueError
        bf16 of a model in float64.
    """
    from csparc.checkpoint.checkpoint import load_trained

    session = load_trained(path).with_tokenizer(os.fspath(path))
    session.model.precision = precision
    return session
