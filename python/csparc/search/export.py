"""An index in files that vector databases read: Parquet, or NumPy with a text beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from csparc._extras import require
from csparc._scalars import choice
from csparc.checkpoint.folder import write_atomically
from csparc.search.files import Entry, Manifest, open_vectors, read_entries, read_manifest
from csparc.search.options import FORMS

_BLOCK = 1 << 14


def export_index(folder: str | os.PathLike, form: str) -> list[Path]:
    """Write an index beside itself in another form, in its order.

    Parameters
    ----------
    folder : path
        Of the index.
    form : {"parquet", "npy"}
        ``export.parquet`` with the columns row (int64), path (string), hash (string), captions
        (list of string) and vector (fixed-size list of float32); or ``export.npy`` float32 [N, D]
        and ``export.jsonl``, an object a picture.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    DataError
        No index, or a damaged one.
    ImportError
        ``"parquet"`` without pyarrow: ``pip install 'csparc[parquet]'``.
    """
    choice(form, "form", FORMS)
    folder = Path(folder)
    manifest = read_manifest(folder)
    vectors = open_vectors(folder, manifest)
    if form == "parquet":
        return [_write_parquet(folder, manifest, vectors)]
    array, text = folder / "export.npy", folder / "export.jsonl"

    def write_text(file: BinaryIO) -> None:
        for row, entry in enumerate(read_entries(folder, manifest)):
            about = {"row": row, "path": entry.path, "hash": entry.hash}
            file.write((json.dumps({**about, "captions": entry.captions}) + "\n").encode("ascii"))

    write_atomically(array, lambda file: np.lib.format.write_array(file, vectors))
    write_atomically(text, write_text)
    return [array, text]


def _write_parquet(folder: Path, manifest: Manifest, vectors: np.ndarray) -> Path:
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    schema = arrow.schema(
        [
            ("row", arrow.int64()),
            ("path", arrow.string()),
            ("hash", arrow.string()),
            ("captions", arrow.list_(arrow.string())),
            ("vector", arrow.list_(arrow.float32(), manifest.width)),
        ]
    )

    def write(file: BinaryIO) -> None:
        with parquet.ParquetWriter(file, schema) as writer:
            for first, some in _blocks(read_entries(folder, manifest)):
                flat = arrow.array(vectors[first : first + len(some)].ravel())
                columns = [
                    arrow.array(range(first, first + len(some)), arrow.int64()),
                    # What is no UTF-8 in a file's name has no place in a Parquet string.
                    [entry.path.encode("utf-8", "replace").decode() for entry in some],
                    [entry.hash for entry in some],
                    [list(entry.captions) for entry in some],
                    arrow.FixedSizeListArray.from_arrays(flat, manifest.width),
                ]
                writer.write_table(arrow.table(columns, schema=schema))

    path = folder / "export.parquet"
    write_atomically(path, write)
    return path


def _blocks(entries: Iterator[Entry]) -> Iterator[tuple[int, list[Entry]]]:
    """The entries, some at a time, and how many came before."""
    some: list[Entry] = []
    first = 0
    for entry in entries:
        some.append(entry)
        if len(some) == _BLOCK:
            yield first, some
            first, some = first + len(some), []
    if some:
        yield first, some
