"""What is done to a caption before it is cut into tokens."""

from __future__ import annotations

import string
from collections.abc import Callable

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
CLEANING: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "lower": str.lower,
    "canonicalize": lambda text: " ".join(
        text.replace("_", " ").translate(_NO_PUNCTUATION).lower().split()
    ),
    "no_punctuation": lambda text: " ".join(text.lower().translate(_NO_PUNCTUATION).split()),
}
"""What may be done to a text first. SigLIP's captions are in lower case, without ASCII punctuation
and with single blanks: "canonicalize" as open_clip does it, where ``_`` is a blank, and
"no_punctuation" as transformers does, where it is nothing."""
