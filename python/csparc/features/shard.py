"""One shard: rows of some pictures and all of their texts, as a safetensors file.

Tensors: ``image`` [n,R,C] and ``text`` [T,C], the rows of all texts one after the other, both
float32 or bfloat16. The metadata's ``pictures`` is a JSON list, an object a picture.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from csparc._json import parse_json
from csparc._repr import fields_line
from csparc.checkpoint import safetensors_file
from csparc.checkpoint.folder import write_atomically
from csparc.data.rows import PairRows
from csparc.errors import CheckpointError, DataError
from csparc.features.manifest import ShardEntry, Summed

FORMAT = "csparc features shard"


@dataclass
class Picture:
    """A picture and its texts, as a shard tells of them."""

    index: int
    """In the data set."""
    name: str
    key: str
    """`csparc.data.rows.PairRows.picture_key` in hexadecimal digits."""
    captions: list[str]
    hard_negatives: list[str]
    rows: list[int]
    """How many each text has, captions first."""

    __repr__ = fields_line


def write_shard(
    path: Path, pictures: list[Picture], image: np.ndarray, text: np.ndarray, count: int
) -> ShardEntry:
    """Write a shard of ``count`` pictures of a data set, whole or not at all."""
    metadata = {
        "format": FORMAT,
        "pictures": json.dumps([asdict(one) for one in pictures], allow_nan=False),
    }
    sums: list[Summed] = []

    def write(file) -> None:
        sums.append(Summed(file))
        safetensors_file.write(sums[-1], {"image": image, "text": text}, metadata)

    write_atomically(path, write)
    texts = sum(len(one.rows) for one in pictures)
    return ShardEntry(
        path.name, count, len(pictures), texts, sums[-1].nbytes, sums[-1].crc32
    )  # fmt: skip


class Shard:
    """A shard that was checked, mapped into memory.

    Attributes
    ----------
    pictures : list of Picture

    Raises
    ------
    DataError
        It is no such shard.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            header = safetensors_file.read_header(path, None)
        except CheckpointError as error:
            raise DataError(str(error)) from error
        if header.metadata.get("format") != FORMAT:
            raise DataError(f"{path}: expected a shard of features, found another file")
        listed = parse_json(header.metadata["pictures"], str(path))
        self.pictures = [Picture(**one) for one in listed]
        self._image, self._text = (self._mapped(header, name) for name in ("image", "text"))
        starts = np.cumsum([0, *(sum(one.rows) for one in self.pictures)])
        self._starts = starts[:-1].tolist()
        if (len(self._image), len(self._text)) != (len(self.pictures), starts[-1]):
            raise DataError(f"{path}: expected rows of {len(self.pictures)} pictures, found others")

    def __repr__(self) -> str:
        return f"Shard({self._path.name!r}, {len(self.pictures)} pictures)"

    def rows(self, place: int, behind: int) -> PairRows:
        """Of the picture at ``place``, as views."""
        one, start = self.pictures[place], self._starts[place]
        texts = np.split(self._text[start : start + sum(one.rows)], np.cumsum(one.rows)[:-1])
        count = len(one.captions)
        key = bytes.fromhex(one.key)
        return PairRows(self._image[place], key, texts[:count], texts[count:], behind)

    def _mapped(self, header: safetensors_file.Header, name: str) -> np.ndarray:
        entry = header.tensors[name]
        if entry.begin == entry.end:
            return np.zeros(entry.shape, entry.dtype)
        offset = header.data_start + entry.begin
        mapped = np.memmap(self._path, entry.dtype, "r", offset, entry.shape)
        return mapped.view(np.ndarray)
