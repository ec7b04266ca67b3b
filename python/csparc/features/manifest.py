"""The manifest of a folder of features: of which model and data they are, and which shards there
are, with what tells a damaged one.

    DIR/manifest.json          this
    DIR/model.safetensors      the model, a checkpoint without an optimiser
    DIR/shard-00000.safetensors ...
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from csparc._json import read_json
from csparc._repr import fields_line
from csparc._text import show
from csparc.checkpoint.folder import write_text_atomically
from csparc.data.tokenizer import Tokenizer
from csparc.data.transforms import Preprocess
from csparc.errors import DataError
from csparc.models import TwoTower
from csparc.models.frozen import is_head, tower_fields

FORMAT, VERSION = "csparc features", 1
NAME, MODEL = "manifest.json", "model.safetensors"
DTYPES = ("bfloat16", "float32")
BLOCK = 1 << 20


@dataclass(frozen=True)
class ShardEntry:
    """A finished shard."""

    file: str
    pictures: int
    """Of the data set, the bad ones among them."""
    kept: int
    """Pictures that it holds."""
    texts: int
    """Captions and hard negatives."""
    nbytes: int
    crc32: int
    """Of the whole file."""

    __repr__ = fields_line


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds."""

    towers: str
    """`towers_digest` of the model."""
    model: dict[str, Any]
    """``source``, where it was read from, and ``config``, `csparc.models.ModelConfig`."""
    data: dict[str, Any]
    """``spec``, ``pictures`` and ``fingerprint`` (`csparc.data.Dataset.fingerprint`)."""
    rows: dict[str, Any]
    """`csparc.models.frozen.RowLayout`: the shapes."""
    dtype: str
    shard_size: int
    """Pictures of the data set in a shard; the last one may have fewer."""
    shards: list[ShardEntry] = field(default_factory=list)
    """The finished ones, in order."""

    __repr__ = fields_line

    @property
    def shard_count(self) -> int:
        """Shards when all are finished."""
        return -(-self.data["pictures"] // self.shard_size)

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return len(self.shards) == self.shard_count

    def same_work(self, other: Manifest) -> str | None:
        """What tells it from another one's features, None where nothing does; where model and data
        lie may differ."""
        for what, mine, theirs in (
            ("the towers", self.towers, other.towers),
            ("data", self.data["fingerprint"], other.data["fingerprint"]),
            ("dtype", self.dtype, other.dtype),
            ("shard_size", self.shard_size, other.shard_size),
        ):
            if mine != theirs:
                return f"{what} {theirs}"
        return None

    def write(self, folder: Path) -> None:
        """Replace ``folder``'s manifest, whole or not at all."""
        record = {"format": FORMAT, "format_version": VERSION, **asdict(self)}
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
        write_text_atomically(folder / NAME, text)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises
    ------
    DataError
        None is there, or it is no such manifest.
    """
    path = folder / NAME
    record = read_json(path, "the manifest of features that csparc encode --patches wrote")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else record
        raise DataError(f"{path}: expected format {FORMAT!r}, found {show(found)}")
    if record.get("format_version") != VERSION:
        found = show(record.get("format_version"))
        raise DataError(f"{path}: expected format_version {VERSION}, found {found}")
    given = {key: value for key, value in record.items() if not key.startswith("format")}
    try:
        _check(given)
        shards = [ShardEntry(**entry) for entry in given.pop("shards")]
        return Manifest(shards=shards, **given)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected a whole manifest, found {show(str(error))}") from error


def towers_digest(model: TwoTower, tokenizer: Tokenizer, preprocess: Preprocess) -> str:
    """Of all that decides what the towers give: their weights and configuration, the tokenizer and
    the transform of pictures; not of the heads. 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    told = [tower_fields(model.config), preprocess.config(), tokenizer.to_json(), str(model.dtype)]
    digest.update(json.dumps(told, sort_keys=True).encode())
    for name, array in model.state_dict().items():
        if not is_head(name):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")))
    return digest.hexdigest()


class Summed:
    """A file that is written to, and the sum of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.crc32 = 0
        self.nbytes = 0

    def write(self, data: bytes | memoryview) -> int:
        """As of the file."""
        self.crc32 = zlib.crc32(data, self.crc32)
        self.nbytes += memoryview(data).nbytes
        return self._file.write(data)


def check_shard(folder: Path, entry: ShardEntry) -> None:
    """Read a whole shard and refuse one that is not as it was written.

    Raises
    ------
    DataError
        It is missing, shorter or longer, or damaged.
    """
    path = folder / entry.file
    again = "csparc encode --patches into this folder makes it again"
    if not path.is_file():
        raise DataError(f"{path}: expected a shard of these features, found no such file; {again}")
    crc32 = 0
    try:
        if path.stat().st_size != entry.nbytes:
            raise DataError(
                f"{path}: expected {entry.nbytes} bytes, found {path.stat().st_size}; {again}"
            )
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                crc32 = zlib.crc32(block, crc32)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if crc32 != entry.crc32:
        raise DataError(f"{path}: expected crc32 {entry.crc32}, found {crc32}; {again}")


def _check(record: Mapping[str, Any]) -> None:
    """Refuse values of other kinds than a manifest's."""
    kinds = {"towers": str, "model": dict, "data": dict, "rows": dict, "dtype": str,
             "shard_size": int, "shards": list}  # fmt: skip
    if set(record) != set(kinds):
        raise ValueError(f"the keys {sorted(record)}")
    entry = {one.name: int for one in fields(ShardEntry)} | {"file": str}
    model = {"source": str, "config": dict}
    inner = {"spec": str, "pictures": int, "fingerprint": str}
    for what, found, wanted in (
        ("", record, kinds),
        ("model ", record["model"], model),
        ("data ", record["data"], inner),
        *((f"shard {n} ", shard, entry) for n, shard in enumerate(record["shards"])),
    ):
        for key, kind in wanted.items():
            if key not in found:
                raise ValueError(f"{what}without {key}")
            if type(found[key]) is not kind or (kind is int and found[key] < 0):
                raise ValueError(f"{what}{key} {show(found[key])}")
    if record["dtype"] not in DTYPES or record["shard_size"] < 1:
        raise ValueError(f"dtype {show(record['dtype'])}, shard_size {record['shard_size']}")
    if any(Path(shard["file"]).name != shard["file"] for shard in record["shards"]):
        raise ValueError("a shard outside the folder")
