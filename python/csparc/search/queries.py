"""What is searched with, as a unit vector: a sentence, a picture, or both."""

from __future__ import annotations

from typing import Any

import numpy as np

from csparc._scalars import sentence as checked_sentence


def query_vector(model: Any, sentence: str | None = None, image: Any = None) -> np.ndarray:
    """The unit vector [D] of a sentence, a picture, or of the middle between the two.

    Parameters
    ----------
    model : object
        With ``model``, ``tokenizer`` and ``preprocess``, as `csparc.load_checkpoint` and
        `csparc.fit` return them.
    sentence : str, optional
    image : uint8 array [H, W, 3] or Pillow picture, optional
        One of the two at least.

    Raises
    ------
    ValueError, TypeError
        Neither was given, or a sentence without a word.
    """
    found = []
    if sentence is not None:
        ids = model.tokenizer([checked_sentence(sentence, "sentence")])
        valid = model.tokenizer.valid_mask(ids)
        found.append(model.model.encode_text(ids, normalize=True, text_mask=valid)[0])
    if image is not None:
        seen = model.preprocess(image)[None]
        found.append(model.model.encode_image(seen, normalize=True)[0])
    if not found:
        raise ValueError("sentence: expected a sentence, a picture or both, found neither")
    if len(found) == 1:
        return found[0]
    total = np.sum(found, axis=0)
    return total / max(float(np.linalg.norm(total)), float(np.finfo(total.dtype).tiny))
