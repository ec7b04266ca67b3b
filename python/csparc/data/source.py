"""Which bytes a picture is decoded from."""

from __future__ import annotations

from dataclasses import dataclass

from csparc._repr import fields_line


@dataclass(frozen=True)
class Source:
    """A file, or a part of one: ``size`` bytes from ``offset``; None: to its end."""

    path: str
    offset: int = 0
    size: int | None = None

    __repr__ = fields_line

    def read(self) -> bytes:
        """The bytes, as many as there are now."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return file.read(-1 if self.size is None else self.size)
