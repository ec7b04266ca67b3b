"""Read and encode picture files: read ahead by threads, encoded in batches, in their order."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._processors import processors
from csparc._repr import fields_line
from csparc.data import images
from csparc.data.picture_files import PictureFiles
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError
from csparc.search.files import Entry
from csparc.search.parts import Parts

FLUSH_SECONDS = 60.0
"""A kill loses the pictures encoded in such a time at most."""
_THREADS = 4
_AHEAD = 128


@dataclass(frozen=True)
class Read:
    """A picture file that was read: its entry, and what the model will see where it is new."""

    item: int
    entry: Entry
    picture: np.ndarray | None
    encoded: bool = False

    __repr__ = fields_line


def encode_new(
    model: Any,
    data: PictureFiles,
    items: Sequence[int],
    known: Callable[[str], bool],
    parts: Parts,
    problems: BadItems,
    batch_size: int,
) -> Iterator[Read | None]:
    """Read pictures ``items`` of ``data`` and encode those whose content is not ``known``.

    One answer a picture; None of one that cannot be read, which is added to ``problems``. The
    vectors go to ``parts``.
    """
    batch: dict[str, np.ndarray] = {}
    written = time.monotonic()
    for read in _read_ahead(model, data, items, known):
        if isinstance(read, BadItem):
            problems.add(read)
            yield None
            continue
        digest = read.entry.hash
        fresh = read.picture is not None and not known(digest) and digest not in batch
        if fresh:
            batch[digest] = read.picture
        if len(batch) == batch_size:
            parts.add(list(batch), _encoded(model, list(batch.values())))
            batch = {}
            if time.monotonic() - written > FLUSH_SECONDS:
                parts.flush()
                written = time.monotonic()
        yield Read(read.item, read.entry, None, fresh)
    if batch:
        parts.add(list(batch), _encoded(model, list(batch.values())))


def stamp(path: str) -> tuple[int, int]:
    """Size and time of change of a file, by which it is known again; (-1, 0): nobody can tell."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return -1, 0
    return found.st_size, found.st_mtime_ns


def _encoded(model: Any, pictures: list[np.ndarray]) -> np.ndarray:
    """Unit vectors float32 [n, D] of pictures uint8 [S, S, 3]."""
    seen = model.preprocess.normalize(np.stack(pictures))
    vectors = model.model.encode_image(seen, normalize=True).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise DataError("the model gives vectors that are not finite: it cannot be searched with")
    return vectors


def _read_ahead(
    model: Any, data: PictureFiles, items: Sequence[int], known: Callable[[str], bool]
) -> Iterator[Read | BadItem]:
    """The pictures in order, read by threads a little ahead of whoever asks for them."""
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(min(_THREADS, processors())) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(_read, model, data, item, known))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(
    model: Any, data: PictureFiles, item: int, known: Callable[[str], bool]
) -> Read | BadItem:
    """One file. Its stamp is taken first: one that changes meanwhile is read again next time."""
    name = data.name(item)
    size, mtime_ns = stamp(data.path(item))
    try:
        content = data.content(item)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        entry = Entry(data.relative_path(item), size, mtime_ns, digest, tuple(data.captions(item)))
        if known(digest):
            return Read(item, entry, None)
        picture = images.read(content, name, data.max_pixels)
        return Read(item, entry, model.preprocess.fixed(picture))
    except BadItem as bad:
        return bad
