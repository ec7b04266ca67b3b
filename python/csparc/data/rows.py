"""What a data set holds of a pair in place of a picture, where towers have looked at it already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csparc._arrays import widened
from csparc._repr import fields_line


@dataclass(frozen=True)
class PairRows:
    """Rows of features that the towers gave of a picture and of each of its texts.

    Rows are float32, or uint16 for the bits of bfloat16, and may lie in a file that is mapped into
    memory: they are not to be written to.
    """

    image: np.ndarray
    """[R,C]."""
    picture_key: bytes
    """Equal for pictures of equal pixels (`csparc.data.loading.duplicates.picture_key`)."""
    captions: list[np.ndarray]
    """[n + w,C] of each caption: a row of each position that was computed, and w behind them."""
    hard_negatives: list[np.ndarray]
    """The same of its hard negatives."""
    behind: int
    """w."""

    __repr__ = fields_line


def as_float32(rows: np.ndarray) -> np.ndarray:
    """Rows as float32; those of bfloat16 lose nothing."""
    return widened(rows) if rows.dtype == np.uint16 else rows


def laid_out(texts: list[np.ndarray], mask: np.ndarray, behind: int) -> np.ndarray:
    """Rows of captions as `csparc.models.frozen` takes them: float32 [B,L + w,C], 0 elsewhere.

    ``mask`` bool [B,L] are the tokens; a caption has a row for each of them, or for every position.

    Raises
    ------
    ValueError
        A caption with another number of rows.
    """
    batch, length = mask.shape
    out = np.zeros((batch, length + behind, texts[0].shape[1] if texts else 0), np.float32)
    for row, text, valid in zip(out, texts, mask):
        count = len(text) - behind
        if count == length:
            row[:length] = as_float32(text[:count])
        elif count == int(valid.sum()):
            row[:length][valid] = as_float32(text[:count])
        else:
            raise ValueError(
                f"rows: expected {int(valid.sum())} tokens of a caption, found {count}"
            )
        row[length:] = as_float32(text[count:])
    return out
