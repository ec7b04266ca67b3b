"""The tokenizer that belongs to weights, from the files beside them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from csparc.models import ModelConfig

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer


def beside(
    path: str, config: ModelConfig, given: str | os.PathLike | None = None
) -> Tokenizer | None:
    return None
