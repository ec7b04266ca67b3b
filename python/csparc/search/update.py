"""Make an index of pictures, or bring one up to date: only what is new is encoded."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc._scalars import whole_number
from csparc.checkpoint import file_system
from csparc.checkpoint.folder import check_no_run
from csparc.data.picture_files import PictureFiles
from csparc.data.report import BadItems
from csparc.errors import DataError
from csparc.search.encoding import encode_new, stamp
from csparc.search.files import (
    KINDS,
    MANIFEST,
    Entry,
    Manifest,
    open_lines,
    open_vectors,
    paths_of,
    read_entries,
    read_manifest,
    write_generation,
    write_manifest,
)
from csparc.search.model_mark import model_mark
from csparc.search.parts import Parts

LOCK = ".lock"
_BLOCK = 4096


@dataclass(frozen=True)
class Updated:
    """What an update did."""

    pictures: int
    """Pictures of the index now."""
    encoded: int = 0
    """Of them, how many the model has seen in this run."""
    recognised: int = 0
    """New or changed files whose content was known: moved, copied, touched, or encoded by a run
    that was interrupted."""
    removed: int = 0
    """Paths that were in the index and are not any more."""
    problems: BadItems = field(default_factory=BadItems)
    """The pictures that cannot be read; they are tried again the next time."""

    __repr__ = fields_line


def update_index(
    model: Any,
    data: PictureFiles,
    out: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike = "",
    overwrite: bool = False,
    verify: bool = False,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Updated:
    """Write the index of ``data`` to the folder ``out``, or bring the one there up to date.

    A file whose path, size and time of change are those of the index is not opened. Any other is
    read, and encoded only where its content is new. Pictures that ``data`` lacks leave the index.

    Parameters
    ----------
    model : object
        With ``model``, ``tokenizer`` and ``preprocess``, as `csparc.load_checkpoint` and
        `csparc.fit` return them.
    data : PictureFiles
        As `open_pictures` returns it.
    out : path
    checkpoint : path, optional
        Where the model lies, for `open_index` to load it from.
    overwrite : bool
        Encode everything anew where the index was made with another model.
    verify : bool
        Open every file, and compare its content: for programs that change a file and neither its
        size nor its time.
    batch_size : int
        Pictures encoded at a time.
    progress : callable, optional
        Called with (pictures done, pictures in all).

    Returns
    -------
    Updated

    Raises
    ------
    DataError
        The index is of another model, or damaged; another process updates it; no picture is left.
    FileExistsError
        ``out`` is the folder of a run.
    """
    whole_number(batch_size, "batch_size", low=1)
    folder = Path(out)
    check_no_run(folder, "an index")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        before = read_manifest(folder) if (folder / MANIFEST).exists() else None
        _clean(folder, before)
        mark, width = model_mark(model), model.model.config.shared_width
        if before is not None and before.model != mark:
            if not overwrite:
                raise another_model(folder, before, "--overwrite (overwrite=True) encodes anew")
            before = dataclasses.replace(before, pictures=0, model=mark)
        old = _Old(folder, before)
        parts = Parts(folder, mark, width)
        problems = BadItems(1.0)
        problems.update(data.problems)
        try:
            with model.model.prepacked():
                entries, counts = _entries(
                    model, data, old, parts, problems, verify, batch_size, progress
                )
        finally:
            parts.flush()
        if not entries:
            raise DataError(f"{data.spec}: expected pictures, found none; {problems.summary(3)}")
        generation = 0 if before is None else before.generation
        changed = before is None or entries != old.entries
        manifest = Manifest(
            generation + changed, len(entries), width, mark,
            os.path.abspath(checkpoint) if os.fspath(checkpoint) else "",
            data.root, data.spec, data.allow_outside, data.max_pixels, len(problems),
        )  # fmt: skip
        if changed:
            vectors = _vectors(entries, old, parts, width)
            write_generation(folder, manifest.generation, width, entries, vectors)
        if manifest != before:
            write_manifest(folder, manifest)
        parts.delete()
        del old.vectors  # of the former generation, whose files go now
        _clean(folder, manifest)
    removed = len({entry.path for entry in old.entries} - {entry.path for entry in entries})
    return Updated(len(entries), *counts, removed, problems)


def another_model(folder: Path, manifest: Manifest, remedy: str) -> DataError:
    """What to raise where the index in ``folder`` and a model do not belong together."""
    made_with = manifest.checkpoint or "a model that was not loaded from a file"
    return DataError(
        f"{folder}: expected the model that the index was made with ({made_with}, mark "
        f"{manifest.model[:8]}), found another one: {remedy}"
    )


class _Old:
    """What the index held before: entries, vectors, and where to find them."""

    def __init__(self, folder: Path, manifest: Manifest | None) -> None:
        self.entries: list[Entry] = []
        self.vectors = np.empty((0, 0), np.float32)
        if manifest is not None and manifest.pictures:
            open_lines(folder, manifest)
            self.entries = list(read_entries(folder, manifest))
            self.vectors = open_vectors(folder, manifest)
        self.by_path = {entry.path: entry for entry in self.entries}
        self.rows = {entry.hash: row for row, entry in enumerate(self.entries)}


def _entries(
    model: Any,
    data: PictureFiles,
    old: _Old,
    parts: Parts,
    problems: BadItems,
    verify: bool,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Entry], tuple[int, int]]:
    """The pictures of the new index, and how many were encoded and recognised."""
    found: dict[int, Entry] = {}
    new: list[int] = []
    for item in range(len(data)):
        entry = None if verify else old.by_path.get(data.relative_path(item))
        if entry is not None and stamp(data.path(item)) == (entry.size, entry.mtime_ns):
            found[item] = dataclasses.replace(entry, captions=tuple(data.captions(item)))
        else:
            new.append(item)

    def known(digest: str) -> bool:
        return digest in old.rows or digest in parts

    kept, encoded = len(found), 0
    reads = encode_new(model, data, new, known, parts, problems, batch_size)
    for done, read in enumerate(reads, kept + 1):
        if progress:
            progress(done, len(data))
        if read is not None:
            found[read.item] = read.entry
            encoded += read.encoded
    recognised = len(found) - kept - encoded
    return [found[item] for item in sorted(found)], (encoded, recognised)


def _vectors(entries: list[Entry], old: _Old, parts: Parts, width: int) -> Iterator[np.ndarray]:
    """The vectors of the entries, in blocks."""
    for first in range(0, len(entries), _BLOCK):
        some = entries[first : first + _BLOCK]
        block = np.empty((len(some), width), np.float32)
        for row, entry in enumerate(some):
            at = old.rows.get(entry.hash)
            block[row] = parts[entry.hash] if at is None else old.vectors[at]
        yield block


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other updates of this index out."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            if not file_system.lock(handle):
                warnings.warn(
                    f"{folder}: its file system does not lock files: see that no second update "
                    "runs there",
                    stacklevel=4,
                )
        except BlockingIOError as error:
            raise DataError(
                f"{folder}: expected an index that nobody updates, found another process at it: "
                "wait until it is done"
            ) from error
        yield
    finally:
        os.close(handle)


def _clean(folder: Path, manifest: Manifest | None) -> None:
    """Delete what an interrupted update or the former generation left."""
    kept = set() if manifest is None else set(paths_of(folder, manifest.generation))
    for pattern in (*KINDS, "*.tmp"):
        for path in folder.glob(pattern):
            if path not in kept:
                path.unlink()
