"""The files of an index: what each holds, how it is checked, and how one index replaces another.

``index.json`` names the three files of the present generation: ``vectors-N.npy`` float32
[pictures, D], ``pictures-N.jsonl``, a JSON object a picture in the same order, and ``lines-N.npy``
int64 [pictures + 1], where each of its lines begins. The three are written and flushed first, then
``index.json`` is replaced, then the former three are deleted: at every moment one whole index is
there, and whoever has it open keeps what it opened.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from csparc._json import parse_json, read_json
from csparc._repr import fields_line
from csparc.checkpoint.folder import write_atomically, write_text_atomically
from csparc.errors import DataError

MANIFEST = "index.json"
FORMAT = "csparc-index"
VERSION = 1
KINDS = ("vectors-*.npy", "pictures-*.jsonl", "lines-*.npy")


@dataclass(frozen=True)
class Manifest:
    """What ``index.json`` says."""

    generation: int
    """Which files are the present ones."""
    pictures: int
    width: int
    """Numbers of a vector."""
    model: str
    """The mark of the model (`csparc.search.model_mark`)."""
    checkpoint: str
    """Where the model was, an absolute path; empty where it came from no file."""
    root: str
    """The folder of the pictures, an absolute path."""
    spec: str
    """What was indexed."""
    allow_outside: bool
    max_pixels: int
    skipped: int
    """Pictures that could not be read."""

    __repr__ = fields_line


@dataclass(frozen=True)
class Entry:
    """One picture of an index."""

    path: str
    """Relative to the folder of the pictures."""
    size: int
    """Bytes of the file when it was read; -1 where nobody could tell."""
    mtime_ns: int
    """When it was last changed, in nanoseconds."""
    hash: str
    """BLAKE2b of its content, 32 hexadecimal digits."""
    captions: tuple[str, ...] = ()

    __repr__ = fields_line


_TYPES = {"int": int, "str": str, "bool": bool}


def read_manifest(folder: Path) -> Manifest:
    """What the index in ``folder`` says of itself.

    Raises
    ------
    DataError
        No index there, or not one of this version.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise DataError(
            f"{folder}: expected an index of pictures, found none: csparc index --checkpoint PATH "
            f"--data SPEC --out {folder} makes one"
        )
    record = read_json(path, "an index of pictures", unique_keys=True)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"{path}: expected an index of pictures ({FORMAT}), found another JSON")
    if record.get("version") != VERSION:
        raise DataError(
            f"{path}: expected version {VERSION}, found {record.get('version')!r}: make the index "
            "anew, or use the csparc that wrote it"
        )
    given = {}
    for field in dataclasses.fields(Manifest):
        value, kind = record.get(field.name), _TYPES[str(field.type)]
        if type(value) is not kind or (kind is int and value < 0):
            raise DataError(f"{path}: {field.name}: expected {kind.__name__}, found {value!r}")
        given[field.name] = value
    return Manifest(**given)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make ``manifest`` the present one, whole or not at all."""
    record = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(manifest)}
    text = json.dumps(record, indent=1) + "\n"
    write_text_atomically(folder / MANIFEST, text)


def paths_of(folder: Path, generation: int) -> tuple[Path, Path, Path]:
    """The vectors, the pictures and the beginnings of their lines."""
    names = (kind.replace("*", str(generation)) for kind in KINDS)
    vectors, pictures, lines = (folder / name for name in names)
    return vectors, pictures, lines


def write_generation(
    folder: Path, generation: int, width: int, entries: Sequence[Entry], vectors: Iterable
) -> None:
    """Write the three files of a generation; ``vectors`` gives those of the entries, in order and
    in blocks, float32 [n, D]."""
    to_vectors, to_pictures, to_lines = paths_of(folder, generation)
    begins = [0]

    def write_pictures(file: BinaryIO) -> None:
        for entry in entries:
            begins.append(begins[-1] + file.write(_line(entry)))

    def write_vectors(file: BinaryIO) -> None:
        about = {"descr": "<f4", "fortran_order": False, "shape": (len(entries), width)}
        np.lib.format.write_array_header_1_0(file, about)
        for block in vectors:
            file.write(np.ascontiguousarray(block, "<f4").data)

    write_atomically(to_pictures, write_pictures)
    write_atomically(to_vectors, write_vectors)
    begun = np.array(begins, "<i8")
    write_atomically(to_lines, lambda file: np.lib.format.write_array(file, begun))


def _line(entry: Entry) -> bytes:
    return (json.dumps(dataclasses.asdict(entry)) + "\n").encode("ascii")


def open_vectors(folder: Path, manifest: Manifest) -> np.ndarray:
    """The vectors, float32 [pictures, D], memory-mapped.

    Raises
    ------
    DataError
        They are not as ``index.json`` says.
    """
    path = paths_of(folder, manifest.generation)[0]
    return open_array(path, "<f4", (manifest.pictures, manifest.width))


def open_lines(folder: Path, manifest: Manifest) -> np.ndarray:
    """Where the lines of the pictures begin, int64 [pictures + 1]; raises as `open_vectors`."""
    _, pictures, lines = paths_of(folder, manifest.generation)
    found = open_array(lines, "<i8", (manifest.pictures + 1,))
    if found[0] != 0 or found[-1] != pictures.stat().st_size or np.any(np.diff(found) < 2):
        raise damaged(pictures, "as many bytes as its lines have")
    return found


def open_array(path: Path, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of an ``.npy`` file, memory-mapped, of this type and shape."""
    try:
        found = np.load(path, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (ValueError, OSError, EOFError) as error:
        raise damaged(path, "a whole .npy file") from error
    if found.dtype != np.dtype(kind) or found.shape != shape:
        raise damaged(path, f"{kind} {list(shape)}", f"{found.dtype.str} {list(found.shape)}")
    return found


def read_entries(folder: Path, manifest: Manifest) -> Iterator[Entry]:
    """Every picture, in order."""
    path = paths_of(folder, manifest.generation)[1]
    with open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            yield parse_entry(text, f"{path}: line {number}")


def parse_entry(text: bytes, where: str) -> Entry:
    """A picture as its line says it."""
    record = parse_json(text, where, "a picture of an index")
    try:
        captions = tuple(map(str, record["captions"]))
        path, digest = str(record["path"]), str(record["hash"])
        return Entry(path, int(record["size"]), int(record["mtime_ns"]), digest, captions)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: expected a picture of an index, found another JSON") from error


def damaged(path: Path, expected: str, found: str = "others") -> DataError:
    """What to raise of a file that is not as ``index.json`` says."""
    return DataError(
        f"{path}: expected {expected}, found {found}: the index is damaged; delete "
        f"{path.parent} and make it anew with csparc index"
    )
