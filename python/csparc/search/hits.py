"""One picture that was found."""

from __future__ import annotations

from dataclasses import dataclass

from csparc._repr import fields_line


@dataclass(frozen=True)
class Hit:
    """A picture that was found."""

    index: int
    """Its number in the data set or in the index."""
    name: str
    """What the data set calls it: for files, the path inside the data folder."""
    score: float
    """Cosine of its embedding and the query's, -1 to 1. Compare it within one search only."""
    captions: tuple[str, ...] = ()
    """The captions the data set has of it, in their order."""

    __repr__ = fields_line
