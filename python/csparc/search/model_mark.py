"""A mark by which an index knows the model that made it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np


def model_mark(model: Any) -> str:
    """BLAKE2b of all that an embedding depends on, as 32 hexadecimal digits.

    That is the weights and the configuration of the model, the transform of pictures, and the
    tokenizer; not the place of the file, nor the state of an optimiser in it.

    Parameters
    ----------
    model : object
        With ``model``, ``tokenizer`` and ``preprocess``, as `csparc.load_checkpoint` and
        `csparc.fit` return them.
    """
    digest = hashlib.blake2b(digest_size=16)
    about = {
        "model": model.model.config.to_dict(),
        "preprocess": model.preprocess.config(),
        "tokenizer": model.tokenizer.to_json(),
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    for name, array in sorted(model.model.state_dict().items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
