"""What the writers of all formats share: names, pictures as PNG, texts, and where it all lies."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from csparc._extras import require
from csparc._repr import fields_line
from csparc.data.dataset import Dataset

PICTURES = "images"
"""The folder of the pictures, where a format does not name one."""


@dataclass(frozen=True)
class Job:
    """What is written: a data set, into the folder ``root``; ``told`` is called with the number of
    pictures written and of all."""

    dataset: Dataset
    root: Path
    told: Callable[[int, int], None] | None = None

    __repr__ = fields_line

    @property
    def split(self) -> str:
        """The data set's, ``train`` where it has none."""
        return getattr(self.dataset, "split", "train")

    @property
    def names(self) -> list[str]:
        """A name for each picture, without an ending."""
        width = max(6, len(str(len(self.dataset) - 1)))
        return [f"{index:0{width}d}" for index in range(len(self.dataset))]

    def loaded(self) -> Iterator[tuple[int, str, np.ndarray]]:
        """Number, name and pixels of each picture."""
        names = self.names
        for index, name in enumerate(names):
            yield index, name, self.dataset.load(index)
            if self.told is not None:
                self.told(index + 1, len(names))

    def pictures(
        self, folder: str = PICTURES, ending: str = "png"
    ) -> Iterator[tuple[int, str, np.ndarray]]:
        """The same of each picture, once it is written to ``folder``; the name with its ending.

        The content is a PNG whatever the ending: programs go by the content.
        """
        into = self.root / folder
        into.mkdir(parents=True, exist_ok=True)
        for index, name, pixels in self.loaded():
            (into / f"{name}.{ending}").write_bytes(png(pixels))
            yield index, f"{name}.{ending}", pixels

    def write_text(self, name: str, text: str) -> str:
        """Write a text file; returns its name."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return name

    def write_json(self, name: str, record: Any) -> str:
        """Write a JSON file; returns its name."""
        return self.write_text(name, json.dumps(record))


@dataclass(frozen=True)
class Written:
    """What opens what was written: a scheme, and names in the folder, or texts behind them."""

    scheme: str
    names: tuple[str, ...]
    separator: str = ","
    tail: str = ""

    __repr__ = fields_line

    def spec(self, root: Path) -> str:
        """The specification, once the folder is ``root``."""
        return f"{self.scheme}:{self.separator.join(str(root / n) for n in self.names)}{self.tail}"


def png(pixels: np.ndarray, palette: bytes | None = None) -> bytes:
    """A PNG of colours [H, W, 3], or of indices [H, W] with their palette."""
    picture = require("PIL.Image", extra="train").fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def quoted(text: str) -> str:
    """A caption for the end of a line: in quotes where it would lose its own to a reader that
    takes them off."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return '"' + text.replace('"', '""') + '"'
    return text


def lines_of(texts: list[str]) -> str:
    """A line each."""
    return "".join(f"{text}\n" for text in texts)
