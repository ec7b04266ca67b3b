"""How a data set is read: the options of `csparc.data.open`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from csparc._repr import fields_line
from csparc.data.images import MAX_PIXELS
from csparc.data.report import DEFAULT_MAX_BAD
from csparc.errors import DataError

TEXT_FORMS = ("lines", "whole")


@dataclass(frozen=True)
class Options:
    """How to read a data set; the fields are the options of `csparc.data.open`."""

    allow_outside: bool = False
    max_pixels: int = MAX_PIXELS
    max_bad: float = DEFAULT_MAX_BAD
    max_captions: int | None = None
    img_key: str | None = None
    caption_key: str | None = None
    separator: str | None = None
    captions: str | None = None
    quoting: str | None = None
    text: str | None = None
    hard_negative_key: str | None = None
    pairs: str | None = None
    classes: str | None = None

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Raise DataError for the first of these options that was given: it would do nothing."""
        for name in names:
            if getattr(self, name) is not None:
                raise DataError(f"{name}={getattr(self, name)}: has no effect, as {why}")

    __repr__ = fields_line
